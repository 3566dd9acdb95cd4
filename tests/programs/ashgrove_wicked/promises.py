"""A metric that promises nonsense."""

from ashgrove.custom import Metric

backwards = Metric(lambda example, prediction, trace, params: 0.0, low=1, high=0)
