"""How examples come into datasets: files received, judged and spooled; lines appended as one revision."""
