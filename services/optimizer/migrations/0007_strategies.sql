-- What a run says about its strategy.
ALTER TABLE optimization_runs ADD COLUMN strategy_configuration jsonb;
