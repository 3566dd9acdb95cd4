"""The resource framework: declare a resource once, get everything else; it knows no program, run or user."""
