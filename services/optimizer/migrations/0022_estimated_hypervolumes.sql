-- A hypervolume that is estimated says how far off it may be.
ALTER TABLE optimization_runs ADD COLUMN hypervolume_margin double precision;
ALTER TABLE pareto_versions ADD COLUMN hypervolume_margin double precision;
