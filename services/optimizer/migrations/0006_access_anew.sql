-- The projection can be made anew from the program service's rows.
GRANT DELETE ON program_access TO optimizer_system;
