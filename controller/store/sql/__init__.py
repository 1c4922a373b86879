"""The store in a database: SQLite for one operator on one volume, PostgreSQL for everything else."""
