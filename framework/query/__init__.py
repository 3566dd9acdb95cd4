"""What users may ask of a list: filters, orders and pages; every expression is total, so none can probe a row."""

from framework.query.columns import Columns, Related
from framework.query.filter import filter_clause
from framework.query.order import Key, Order, order_from
from framework.query.page import Seal

__all__ = ["Columns", "Key", "Order", "Related", "Seal", "filter_clause", "order_from"]
