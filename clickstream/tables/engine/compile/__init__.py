"""A checked program as relations and operators in DuckDB's SQL; `flow` runs them."""
