-- Who was let in is a guest by kind, and no operator: the platform is run from the operators' own organization alone.
UPDATE users SET operator = false WHERE kind = 'KIND_BREAK_GLASS';
