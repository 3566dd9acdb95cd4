"""Documents: what a program says beside its signature - slots, templates, pipelines - judged, resolved and run."""
