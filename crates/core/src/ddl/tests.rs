use std::path::Path;

use arrow::datatypes::DataType::{self, *};
use arrow::datatypes::TimeUnit::Microsecond;
use proptest::prelude::*;

use super::SqlDialect::{MySql, Postgres};
use super::*;
use crate::schema::{SOURCE_TYPE, TIME_DIGITS, list_of, timestamp_local, timestamp_utc};

fn fixture(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    std::fs::read_to_string(root.join(path)).unwrap()
}

fn schema(sql: &str, dialect: SqlDialect, table: &str) -> TableSchema {
    parse_ddl(sql, dialect).unwrap().table(&table.parse().unwrap()).unwrap_or_else(|| panic!("{table} is declared")).clone()
}

/// `name type` of every column and the key, as `name type, ... key (names)`.
fn outline(schema: &TableSchema) -> String {
    let columns: Vec<String> = schema.fields().iter().map(|f| format!("{} {}", f.name(), f.metadata()[SOURCE_TYPE])).collect();
    format!("{} key ({})", columns.join(", "), schema.keys().join(", "))
}

fn outlined(sql: &str, dialect: SqlDialect, table: &str) -> String {
    outline(&schema(sql, dialect, table))
}

fn failure(sql: &str, dialect: SqlDialect) -> String {
    parse_ddl(sql, dialect).unwrap_err().to_string()
}

#[test]
fn postgres_types_become_canonical() {
    let ddl = fixture("debezium/postgres/ddl.sql");
    let types = schema(&ddl, Postgres, "shop.all_types");
    let time = Time64(Microsecond);
    let expected: Vec<(&str, &str, DataType)> = vec![
        ("id", "bigint", Int64),
        ("c_bool", "boolean", Boolean),
        ("c_i2", "smallint", Int32),
        ("c_i4", "integer", Int32),
        ("c_i8", "bigint", Int64),
        ("c_oid", "oid", Int64),
        ("c_f4", "real", Float32),
        ("c_f8", "double precision", Float64),
        ("c_num", "numeric", Utf8),
        ("c_num_10_2", "numeric(10,2)", Decimal128(10, 2)),
        ("c_num_38_9", "numeric(38,9)", Decimal128(38, 9)),
        ("c_num_5_0", "numeric(5,0)", Decimal128(5, 0)),
        ("c_money", "money", Decimal128(19, 2)),
        ("c_char", "char(5)", Utf8),
        ("c_varchar", "varchar(50)", Utf8),
        ("c_text", "text", Utf8),
        ("c_citext", "citext", Utf8),
        ("c_name", "name", Utf8),
        ("c_xml", "xml", Utf8),
        ("c_bytea", "bytea", Binary),
        ("c_bit1", "bit(1)", Boolean),
        ("c_bit8", "bit(8)", Binary),
        ("c_varbit", "varbit(16)", Binary),
        ("c_date", "date", Date32),
        ("c_time", "time", time.clone()),
        ("c_time3", "time(3)", time),
        ("c_timetz", "timetz", Utf8),
        ("c_ts", "timestamp", timestamp_local()),
        ("c_ts0", "timestamp(0)", timestamp_local()),
        ("c_ts3", "timestamp(3)", timestamp_local()),
        ("c_tstz", "timestamptz", timestamp_utc()),
        ("c_interval", "interval", Utf8),
        ("c_json", "json", Utf8),
        ("c_jsonb", "jsonb", Utf8),
        ("c_uuid", "uuid", Utf8),
        ("c_inet", "inet", Utf8),
        ("c_cidr", "cidr", Utf8),
        ("c_macaddr", "macaddr", Utf8),
        ("c_mood", "enum", Utf8),
        ("c_posint", "integer", Int32),
        ("c_hstore", "hstore", Utf8),
        ("c_ltree", "ltree", Utf8),
        ("c_point", "point", Utf8),
        ("c_int4range", "int4range", Utf8),
        ("c_tsrange", "tsrange", Utf8),
        ("c_tstzrange", "tstzrange", Utf8),
        ("c_daterange", "daterange", Utf8),
        ("c_numrange", "numrange", Utf8),
        ("c_i4_arr", "integer[]", list_of(Int32)),
        ("c_text_arr", "text[]", list_of(Utf8)),
        ("c_num_arr", "numeric(10,2)[]", list_of(Decimal128(10, 2))),
        ("c_ts_arr", "timestamp[]", list_of(timestamp_local())),
        ("c_uuid_arr", "uuid[]", list_of(Utf8)),
        ("c_bytea_arr", "bytea[]", list_of(Binary)),
        ("c_mood_arr", "enum[]", list_of(Utf8)),
        ("c_date_arr", "date[]", list_of(Date32)),
        ("c_bool_arr", "boolean[]", list_of(Boolean)),
    ];
    let found: Vec<(&str, &str, DataType)> =
        types.fields().iter().map(|f| (f.name().as_str(), f.metadata()[SOURCE_TYPE].as_str(), f.data_type().clone())).collect();
    assert_eq!(found, expected);
    let digits: Vec<(&str, &str)> =
        types.fields().iter().filter_map(|f| Some((f.name().as_str(), f.metadata().get(TIME_DIGITS)?.as_str()))).collect();
    assert_eq!(
        digits,
        [
            ("c_time", "6"),
            ("c_time3", "3"),
            ("c_timetz", "6"),
            ("c_ts", "6"),
            ("c_ts0", "0"),
            ("c_ts3", "3"),
            ("c_tstz", "6"),
            ("c_ts_arr", "6")
        ]
    );
    assert!(types.fields().iter().all(|f| f.is_nullable() == (f.name() != "id")));
}

#[test]
fn columns_that_postgres_computes_are_left_out_by_name() {
    let ddl = parse_ddl(&fixture("debezium/postgres/ddl.sql"), Postgres).unwrap();
    assert_eq!(ddl.computed_columns(&"shop.all_types".parse().unwrap()), ["c_gen"]);
    assert_eq!(ddl.computed_columns(&"shop.docs".parse().unwrap()), [] as [&str; 0]);
}

#[test]
fn postgres_tables_have_their_columns_and_keys() {
    let ddl = parse_ddl(&fixture("debezium/postgres/ddl.sql"), Postgres).unwrap();
    let outlines: Vec<String> =
        ddl.tables().filter(|(name, _)| name.name() != "all_types").map(|(name, schema)| format!("{name}: {}", outline(schema))).collect();
    assert_eq!(
        outlines,
        [
            "shop.Weird Table-1: Key Col integer, naïve·col text, select text, a.b integer key (Key Col)",
            "shop.docs: id integer, title text, body text, body_json jsonb, body_bin bytea, tags text[], rev integer key (id)",
            "shop.docs_full: id integer, title text, body text, body_json jsonb, body_bin bytea, tags text[], rev integer key (id)",
            "shop.events: id bigint, day date, payload text key (id, day)",
            "shop.events_2026_01: id bigint, day date, payload text key (id, day)",
            "shop.events_2026_02: id bigint, day date, payload text key (id, day)",
            "shop.evolve: id integer, name varchar(20), amount integer key (id)",
            "shop.nokey: a integer, b text key ()",
            "shop.order_lines: order_id bigint, line_no integer, sku varchar(20), qty integer, price numeric(12,4), placed_at timestamptz key (order_id, line_no)",
            "shop.uidx: code varchar(10), region char(2), v integer key (code, region)",
        ]
    );
}

#[test]
fn a_workload_of_alter_statements_is_followed() {
    let sql = format!("{};\n{}", fixture("debezium/postgres/ddl.sql"), fixture("debezium/postgres/workload.sql"));
    assert_eq!(outlined(&sql, Postgres, "shop.evolve"), "id integer, name varchar(60), amount text, remark text key (id)");
    let sql = format!("{};\n{}", fixture("debezium/mysql/ddl.sql"), fixture("debezium/mysql/workload.sql"));
    let ddl = parse_ddl(&sql, MySql).unwrap();
    let names: Vec<String> = ddl.tables().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["shop.Weird Table-1", "shop.all_types", "shop.evolve", "shop.nokey2", "shop.order_lines"]);
    assert_eq!(outlined(&sql, MySql, "shop.evolve"), "id int, remark text, name varchar(20), amount bigint key (id)");
}

#[test]
fn a_workload_without_its_tables_changes_nothing() {
    assert_eq!(parse_ddl(&fixture("debezium/postgres/workload.sql"), Postgres).unwrap().tables().count(), 0);
}

#[test]
fn mysql_types_become_canonical() {
    let types = schema(&fixture("debezium/mysql/ddl.sql"), MySql, "shop.all_types");
    let found: Vec<(&str, &str, DataType)> =
        types.fields().iter().map(|f| (f.name().as_str(), f.metadata()[SOURCE_TYPE].as_str(), f.data_type().clone())).collect();
    let expected: Vec<(&str, &str, DataType)> = vec![
        ("id", "bigint", Int64),
        ("c_bool", "tinyint(1)", Int32),
        ("c_ti", "tinyint", Int32),
        ("c_tiu", "tinyint unsigned", Int32),
        ("c_si", "smallint", Int32),
        ("c_siu", "smallint unsigned", Int32),
        ("c_mi", "mediumint", Int32),
        ("c_i", "int", Int32),
        ("c_iu", "int unsigned", Int64),
        ("c_bi", "bigint", Int64),
        ("c_biu", "bigint unsigned", Decimal128(20, 0)),
        ("c_f", "float", Float32),
        ("c_d", "double", Float64),
        ("c_dec", "decimal(10,2)", Decimal128(10, 2)),
        ("c_dec38", "decimal(38,9)", Decimal128(38, 9)),
        ("c_bit1", "bit(1)", Boolean),
        ("c_bit12", "bit(12)", Binary),
        ("c_char", "char(5)", Utf8),
        ("c_varchar", "varchar(50)", Utf8),
        ("c_text", "text", Utf8),
        ("c_longtext", "longtext", Utf8),
        ("c_bin", "binary(4)", Binary),
        ("c_varbin", "varbinary(16)", Binary),
        ("c_blob", "blob", Binary),
        ("c_date", "date", Date32),
        ("c_time", "time", Utf8),
        ("c_time6", "time(6)", Utf8),
        ("c_dt", "datetime", timestamp_local()),
        ("c_dt3", "datetime(3)", timestamp_local()),
        ("c_dt6", "datetime(6)", timestamp_local()),
        ("c_ts", "timestamp", timestamp_utc()),
        ("c_ts6", "timestamp(6)", timestamp_utc()),
        ("c_year", "year", Int32),
        ("c_enum", "enum", Utf8),
        ("c_set", "set", Utf8),
        ("c_json", "json", Utf8),
        ("c_point", "point", Utf8),
        ("c_gen", "int", Int32),
    ];
    assert_eq!(found, expected);
    let digits: Vec<&str> = types.fields().iter().filter_map(|f| Some(f.metadata().get(TIME_DIGITS)?.as_str())).collect();
    assert_eq!(digits, ["0", "6", "0", "3", "6", "0", "6"]);
}

#[test]
fn tpcc_tables_have_their_keys() {
    let ddl = parse_ddl(&fixture("tpcc/ddl.sql"), Postgres).unwrap();
    let keys: Vec<(String, String)> = ddl.tables().map(|(name, schema)| (name.to_string(), schema.keys().join(" "))).collect();
    let expected = [
        ("tpcc.customer", "c_w_id c_d_id c_id"),
        ("tpcc.district", "d_w_id d_id"),
        ("tpcc.history", "h_id"),
        ("tpcc.item", "i_id"),
        ("tpcc.new_order", "no_w_id no_d_id no_o_id"),
        ("tpcc.order_line", "ol_w_id ol_d_id ol_o_id ol_number"),
        ("tpcc.orders", "o_w_id o_d_id o_id"),
        ("tpcc.stock", "s_w_id s_i_id"),
        ("tpcc.warehouse", "w_id"),
    ];
    assert_eq!(keys, expected.map(|(name, key)| (name.to_owned(), key.to_owned())));
}

/// The way `pg_dump --schema-only` writes: keys, identities and partitions by `ALTER TABLE ONLY`, functions in dollar quotes.
#[test]
fn a_pg_dump_goes_through() {
    let sql = r#"
\restrict abc'def
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $_$
BEGIN
  CREATE TABLE inner_table (x no_type(;
END; $_$;
CREATE TABLE public.orders (
    id bigint NOT NULL,
    customer_id integer NOT NULL,
    note character varying(20) COLLATE pg_catalog."C" DEFAULT 'a, (b'::character varying,
    total numeric(12,2) DEFAULT (1 + 2) NOT NULL,
    tags text[] DEFAULT '{}'::text[],
    at timestamp(3) with time zone DEFAULT now(),
    at_local time without time zone,
    flags bit varying,
    span interval day to second(3),
    place public.geometry(Point,4326),
    doubled integer GENERATED ALWAYS AS ((customer_id * 2)) STORED,
    key text,
    index integer,
    CONSTRAINT total_positive CHECK ((total > (0)::numeric)),
    EXCLUDE USING gist (span WITH =)
)
PARTITION BY RANGE (id);
ALTER TABLE public.orders OWNER TO postgres;
ALTER TABLE public.orders ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.orders_id_seq START WITH 1 NO MINVALUE
);
COMMENT ON TABLE public.orders IS 'it''s; here';
COPY public.orders (id, note) FROM stdin;
1	it's "open; CREATE TABLE
\.
ALTER TABLE ONLY public.orders ATTACH PARTITION public.orders_1 FOR VALUES FROM ('1') TO ('2');
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pk PRIMARY KEY (id);
ALTER TABLE ONLY public.orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON DELETE CASCADE;
CREATE UNIQUE INDEX by_customer ON ONLY public.orders USING btree (customer_id, total DESC);
CREATE UNIQUE INDEX by_expression ON public.orders (lower(note));
GRANT ALL ON TABLE public.orders TO reader;
"#;
    assert_eq!(
        outlined(sql, Postgres, "public.orders"),
        "id bigint, customer_id integer, note varchar(20), total numeric(12,2), tags text[], at timestamptz(3), at_local time, \
         flags varbit, span interval, place geometry, key text, index integer key (id)"
    );
    let with_identity = format!("{sql} ALTER TABLE orders REPLICA IDENTITY USING INDEX by_customer;");
    assert_eq!(schema(&with_identity, Postgres, "public.orders").keys(), ["customer_id", "total"]);
    assert_eq!(parse_ddl(sql, Postgres).unwrap().tables().count(), 1);
}

/// The way `mysqldump` writes: conditional comments, keys among the columns, options after them.
#[test]
fn a_mysqldump_goes_through() {
    let sql = r#"
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;
USE `shop`;
DROP TABLE IF EXISTS `Orders`;
CREATE TABLE `Orders` (
  `id` int(11) unsigned NOT NULL AUTO_INCREMENT COMMENT 'first, the id',
  `first` varchar(20) CHARACTER SET latin1 COLLATE latin1_bin DEFAULT NULL,
  `big` bigint(20) unsigned zerofill DEFAULT NULL,
  `price` decimal(65,30) DEFAULT NULL,
  `flag` bit(1) DEFAULT b'0',
  `kind` enum('a','b,)') NOT NULL,
  `total` int GENERATED ALWAYS AS (`id` + 1) VIRTUAL,
  `updated` timestamp NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  PRIMARY KEY (`id`),
  UNIQUE KEY `by_first` (`first`(10)),
  KEY `by_kind` (`kind`) USING BTREE,
  FULLTEXT KEY `words` (`first`),
  CONSTRAINT `fk` FOREIGN KEY (`id`) REFERENCES `Other` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4
/*!50100 PARTITION BY HASH (id) PARTITIONS 4 */;
INSERT INTO `Orders` VALUES (1,'it\'s; ok',2,NULL,b'1','a',2,NOW());
ALTER TABLE Orders ADD COLUMN (x int, y text), ADD first_of_all DATE FIRST, ADD z BLOB AFTER ID, DROP KEY by_kind, RENAME INDEX by_first TO b;
ALTER TABLE Orders ADD COLUMN first INT, CHANGE COLUMN KIND Kind2 JSON, MODIFY `flag` BIT(9) FIRST;
CREATE TABLE copy LIKE Orders;
ALTER TABLE copy RENAME TO other.copied;
"#;
    let expected = "flag bit(9), first_of_all date, id int unsigned, z blob, first varchar(20), big bigint unsigned, price decimal(65,30), \
                    Kind2 json, total int, updated timestamp, x int, y text key (id)";
    let error = failure(sql, MySql);
    assert!(
        error.contains("a column that the table does not have yet") && error.contains("line 24") && error.contains("column first"),
        "{error}"
    );
    let sql = sql.replace("ADD COLUMN first INT, ", "");
    assert_eq!(outlined(&sql, MySql, "shop.Orders"), expected);
    assert_eq!(outlined(&sql, MySql, "other.copied"), expected);
    assert_eq!(schema(&sql, MySql, "shop.Orders").fields()[6].data_type(), &Utf8);
}

#[test]
fn names_follow_the_dialect() {
    assert_eq!(outlined(r#"CREATE TABLE Shop.T (Id int primary key, "Id" int)"#, Postgres, "shop.t"), "id integer, Id integer key (id)");
    assert_eq!(outlined("CREATE TABLE T (a int)", Postgres, "public.t"), "a integer key ()");
    assert_eq!(outlined("SET search_path TO \"$user\", Shop, public; CREATE TABLE t (a int)", Postgres, "shop.t"), "a integer key ()");
    assert_eq!(outlined("USE Db; CREATE TABLE T (Id int, primary key (ID))", MySql, "Db.T"), "Id int key (Id)");
    assert_eq!(outlined(r#"CREATE TABLE t ("a""b" int, "PRIMARY" int)"#, Postgres, "public.t"), "a\"b integer, PRIMARY integer key ()");
    assert_eq!(
        failure("CREATE TABLE t (a int)", MySql),
        "the DDL cannot be followed: expected DATABASE.TABLE, or USE DATABASE before it (line 1)"
    );
}

#[test]
fn keys_follow_their_columns_and_constraints() {
    let table = "CREATE TABLE t (a int, b int, c int UNIQUE, PRIMARY KEY (a, b), CONSTRAINT u UNIQUE (b, c));";
    for (alter, key) in [
        ("ALTER TABLE t RENAME COLUMN a TO x", "x b"),
        ("ALTER TABLE t RENAME a TO x", "x b"),
        ("ALTER TABLE t DROP COLUMN a", ""),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey", ""),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (c)", "c"),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD CONSTRAINT k PRIMARY KEY USING INDEX u", "b c"),
        ("ALTER TABLE t REPLICA IDENTITY USING INDEX u", "b c"),
        ("ALTER TABLE t REPLICA IDENTITY USING INDEX t_c_key", "c"),
        ("ALTER TABLE t REPLICA IDENTITY USING INDEX u; ALTER TABLE t REPLICA IDENTITY DEFAULT", "a b"),
        ("ALTER TABLE t RENAME CONSTRAINT u TO v; ALTER TABLE t REPLICA IDENTITY USING INDEX v", "b c"),
        ("ALTER TABLE t REPLICA IDENTITY NOTHING", "a b"),
    ] {
        assert_eq!(schema(&format!("{table} {alter}"), Postgres, "public.t").keys().join(" "), key, "{alter}");
    }
}

#[test]
fn tables_come_and_go() {
    let sql = "CREATE TABLE a (x int); CREATE TABLE IF NOT EXISTS a (y text); CREATE TEMP TABLE tmp (x int); CREATE TABLE b (x int); DROP TABLE IF EXISTS b CASCADE;
        CREATE TABLE c (LIKE a, z date); ALTER TABLE c RENAME TO d; ALTER TABLE d SET SCHEMA other; CREATE TABLE e (w text) INHERITS (a);
        CREATE SCHEMA gone; CREATE TABLE gone.t (x int); DROP SCHEMA gone CASCADE; ALTER TABLE unknown DROP COLUMN x;";
    let ddl = parse_ddl(sql, Postgres).unwrap();
    let tables: Vec<String> = ddl.tables().map(|(name, schema)| format!("{name}: {}", outline(schema))).collect();
    assert_eq!(tables, ["other.d: x integer, z date key ()", "public.a: x integer key ()", "public.e: x integer, w text key ()"]);
}

#[test]
fn a_copied_table_takes_what_it_is_told() {
    let table = "CREATE TABLE t (a int PRIMARY KEY, g int GENERATED ALWAYS AS (a + 1) STORED);";
    for (like, expected) in [
        ("LIKE t", "a integer, g integer key ()"),
        ("LIKE t INCLUDING ALL", "a integer key (a)"),
        ("LIKE t INCLUDING ALL EXCLUDING INDEXES", "a integer key ()"),
        ("LIKE t INCLUDING INDEXES", "a integer, g integer key (a)"),
    ] {
        assert_eq!(outlined(&format!("{table} CREATE TABLE c ({like})"), Postgres, "public.c"), expected, "{like}");
    }
}

#[test]
fn decimals_beyond_their_bounds_are_widened_or_text() {
    for (declared, expected) in [
        ("numeric(5)", Decimal128(5, 0)),
        ("numeric(3,5)", Decimal128(5, 5)),
        ("numeric(3,-2)", Decimal128(5, 0)),
        ("numeric(39,2)", Utf8),
        ("numeric(1000)", Utf8),
        ("decimal", Utf8),
    ] {
        assert_eq!(parse_type(declared, Postgres).unwrap(), expected, "{declared}");
    }
    assert_eq!(parse_type("decimal", MySql).unwrap(), Decimal128(10, 0));
}

#[test]
fn declared_types_must_be_known() {
    assert_eq!(parse_type("TIMESTAMP (3) WITH TIME ZONE", Postgres).unwrap(), timestamp_utc());
    assert_eq!(parse_type("text[]", Postgres).unwrap(), list_of(Utf8));
    assert_eq!(parse_type("int unsigned", MySql).unwrap(), Int64);
    assert_eq!(declared_field("a", "numeric(12,2)", Postgres).unwrap().metadata()[SOURCE_TYPE], "numeric(12,2)");
    for text in ["", "strng", "int int", "numeric(12", "'", "int)", "text[", "tinyint"] {
        let error = declared_field("a", text, Postgres).unwrap_err();
        assert_eq!((error.kind(), error.context()[0].clone()), (crate::error::ErrorKind::Usage, ("column", "a".to_owned())), "{text}");
    }
}

#[test]
fn what_cannot_be_followed_is_an_error_with_its_line() {
    for (sql, message) in [
        ("\n\nCREATE TABLE t (a int", "expected a closing parenthesis (line 3, table public.t)"),
        ("CREATE TABLE t", "expected columns in parentheses (line 1, table public.t)"),
        ("CREATE TABLE t AS SELECT 1", "expected columns in parentheses (line 1, table public.t)"),
        ("CREATE TABLE t (a int,\n b)", "expected a type (line 2, column b, table public.t)"),
        ("CREATE TABLE t (a int,\n 5 int)", "expected a column (line 2, table public.t)"),
        ("CREATE TABLE t (LIKE s)", "expected a table that the DDL declares before (line 1, parent public.s, table public.t)"),
        ("CREATE TABLE t (a int);\nALTER TABLE t\n DROP b", "expected a column of the table (line 3, column b, table public.t)"),
        ("CREATE TABLE t (a int);\nALTER TABLE t ALTER b TYPE text", "expected a column of the table (line 2, column b, table public.t)"),
    ] {
        assert_eq!(failure(sql, Postgres), format!("the DDL cannot be followed: {message}"), "{sql}");
    }
    assert!(failure("SELECT 1;\nSELECT 'open", Postgres).contains("line 2"));
    assert!(failure("CREATE TABLE t (a int, a text)", Postgres).contains("table public.t"));
    assert!(failure("CREATE TABLE t (a int, PRIMARY KEY (b))", Postgres).contains("a key names no column"));
}

proptest! {
    #[test]
    fn arbitrary_statements_never_panic(words in prop::collection::vec(prop::sample::select(vec![
        "CREATE", "TABLE", "ALTER", "ADD", "DROP", "COLUMN", "RENAME", "TO", "PRIMARY", "KEY", "UNIQUE", "INDEX", "LIKE", "PARTITION", "OF", "t", "a", "b",
        "int", "numeric", "(", ")", ",", ";", ".", "[", "]", "10", "-", "'x'", "TYPE", "AS", "ENUM", "SET", "search_path", "USE", "CHANGE", "FIRST",
    ]), 0..30)) {
        let sql = format!("USE d; CREATE TABLE t (a int PRIMARY KEY, b text); {}", words.join(" "));
        let _ = (parse_ddl(&sql, Postgres), parse_ddl(&sql, MySql));
    }
}
