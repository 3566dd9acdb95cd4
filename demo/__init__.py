"""The main job, as a tutorial: only the public client, through the gateway."""
