"""What is told: an outbox in every transaction, a numbered feed out of it, consumers with their own cursors, hints."""
