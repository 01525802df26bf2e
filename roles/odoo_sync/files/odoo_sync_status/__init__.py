"""The page, the metrics and the nightly report about the synchronisation with Odoo."""
