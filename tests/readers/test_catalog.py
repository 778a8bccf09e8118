"""The embedded catalog is one that others open: PyIceberg's SQL catalog reads it as its own."""

from pyiceberg.catalog.sql import SqlCatalog

import tpcc
from rows import assert_same, plain


def test_pyiceberg_opens_the_catalog(lakes):
    lake = lakes("v2-merge-on-read")
    catalog = SqlCatalog("waterline", uri=f"sqlite:///{lake.folder}/catalog.db", warehouse=f"file://{lake.folder}/warehouse")
    names = {name for table in tpcc.TABLES for name in (table, f"{table}__changelog")}
    assert set(catalog.list_tables("tpcc")) == {("tpcc", name) for name in names}

    for table, declared in tpcc.TABLES.items():
        opened = catalog.load_table(("tpcc", table))
        assert opened.schema().identifier_field_names() == set(declared.keys)
        assert_same(plain(opened.scan().to_arrow()), declared.dump(5), declared.keys)


def test_pyiceberg_filters_by_partition_and_bounds(lakes):
    lake = lakes("v2-merge-on-read")
    catalog = SqlCatalog("waterline", uri=f"sqlite:///{lake.folder}/catalog.db", warehouse=f"file://{lake.folder}/warehouse")
    declared = tpcc.TABLES["customer"]
    found = catalog.load_table("tpcc.customer").scan("c_w_id = 2 and c_id >= 7 and c_id < 40").to_arrow()
    wanted = [row for row in declared.dump(5) if row["c_w_id"] == 2 and 7 <= row["c_id"] < 40]
    assert wanted
    assert_same(plain(found), wanted, declared.keys)
