"""The schema engine: what signatures declare, made into models that judge values, kept as long as they are used."""
