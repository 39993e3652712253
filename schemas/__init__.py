"""The lakehouse: tables.py says what each table holds, delta.py is the only writer, views/*.sql decide."""
