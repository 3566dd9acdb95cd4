"""How Ashgrove is deployed."""
