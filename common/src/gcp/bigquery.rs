//! BigQuery: the warehouse, and the statements that the state is made of.
