"""Tools that programs use on their way to an answer: written, judged, used."""
