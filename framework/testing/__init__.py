"""What tests of services need: a workbench that does RPCs as anybody, and the suite every resource passes."""
