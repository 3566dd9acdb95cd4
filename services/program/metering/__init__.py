"""What stands between a program and a model: reserve, wait for one's turn, call, settle, record."""
