use clap::Parser;

use super::*;
use crate::args::{Cli, Command};
use crate::settings::file::File;

const CONFIG: &str = r#"
[catalog]
type = "filesystem"
[sources.shop]
path = "landing/{table}/"
format = "debezium-json"
tables = ["shop.*"]
schema = { ddl = "shop.sql" }
keys = ["id"]
on_error = "quarantine"
[sources.off]
path = "other/"
format = "plain-json"
tables = ["off.*"]
enabled = false
[tables."shop.orders"]
columns = ["id bigint"]
keys = ["order_id"]
"#;
const NOW_US: i64 = 1_800_000_000_000_000;

fn settings() -> Settings {
    let folder = Path::new("/lake");
    let file = File::parse(CONFIG, Path::new("waterline.toml"), |_| None).unwrap();
    Settings::resolve(file, None, folder, folder).unwrap()
}

fn parsed(line: &str) -> Command {
    Cli::try_parse_from(std::iter::once("waterline").chain(line.split_whitespace())).unwrap_or_else(|error| panic!("{error}")).command
}

fn dump(line: &str) -> Result<DumpRequest> {
    let Command::Load(args) = parsed(line) else { panic!("not a load") };
    DumpRequest::resolve(&args, &settings(), Path::new("/here"), NOW_US)
}

fn sync(line: &str) -> Result<SyncRequest> {
    match parsed(line) {
        Command::Merge(args) => SyncRequest::resolve(Stage::Merge, &args, settings(), Path::new("/here")),
        Command::Ingest(args) => SyncRequest::resolve(Stage::Log, &args, settings(), Path::new("/here")),
        Command::Run(args) => SyncRequest::run(&args, settings()),
        _ => panic!("not a sync"),
    }
}

#[test]
fn a_load_as_the_readme_shows_it() {
    let request = dump(r"load tpcc.customer dump/customer.csv.gz --format csv --null \N --at 2026-11-21T01:49:34.473380Z").unwrap();
    assert_eq!(request.paths, ["/here/dump/customer.csv.gz"]);
    let csv = CsvSettings { null: "\\N".into(), delimiter: b',', quote: b'"', header: CsvHeader::Present };
    assert_eq!(request.format, DumpFormat::Csv(csv));
    assert_eq!(request.at, DumpMoment { at_us: 1_795_225_774_473_380, until_us: None });
    assert_eq!((request.disagreement, request.settings.keys), (Disagreement::Refuse, None));
}

#[test]
fn a_load_takes_what_the_configuration_says_of_its_table() {
    let request = dump("load shop.orders a.parquet --at 2026-01-01T00:00:00Z").unwrap();
    assert_eq!(request.format, DumpFormat::Parquet);
    assert_eq!((request.schema.ddl, request.schema.columns), (vec!["/lake/shop.sql".into()], vec!["id bigint".to_owned()]));
    assert_eq!(request.settings.keys, Some(vec!["order_id".to_owned()]));
    let request = dump("load shop.customers a.jsonl.zst --keys a,b --at 2026-01-01T00:00:00Z --supersede").unwrap();
    assert_eq!(request.settings.keys, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(request.disagreement, Disagreement::Supersede);
}

#[test]
fn loads_that_cannot_be_meant_are_refused() {
    for (line, expected) in [
        ("load a.b x.csv --at 2031-01-01T00:00:00Z", "future"),
        ("load a.b x.csv --at 2026-01-01", "--timezone"),
        ("load a.b x --at 2026-01-01T00:00:00Z", "--format"),
        ("load a.b x.parquet --null N --at 2026-01-01T00:00:00Z", "CSV only"),
        ("load a.b x.csv --delimiter ab --at 2026-01-01T00:00:00Z", "--delimiter"),
        ("load ab x.csv --at 2026-01-01T00:00:00Z", "NAMESPACE.TABLE"),
        ("load a.b x.csv --timezone Mars --at 2026-01-01T00:00:00Z", "time zone"),
        ("load a.b x.csv --memory-limit lots --at 2026-01-01T00:00:00Z", "--memory-limit"),
        ("load a.b x.csv --ddl none.sql --at 2026-01-01T00:00:00Z", "none.sql"),
    ] {
        let error = dump(line).unwrap_err();
        assert!(error.kind().exit_code() == 2 && error.to_string().contains(expected), "{line}: {error}");
    }
}

/// The command line before the table, the table before its source, the source before the lake.
#[test]
fn the_nearest_word_chooses_the_table_format() {
    let config = format!(
        "table_format = \"delta\"\n{}",
        CONFIG.replace("[sources.off]", "table_format = \"iceberg\"\n[sources.off]")
            + "[tables.\"shop.items\"]\ntable_format = \"delta\"\n"
    );
    let folder = Path::new("/lake");
    let settings = Settings::resolve(File::parse(&config, Path::new("waterline.toml"), |_| None).unwrap(), None, folder, folder).unwrap();
    let chosen = |line: &str| {
        let Command::Load(args) = parsed(&format!("load {line} --at 2026-01-01T00:00:00Z")) else { panic!("not a load") };
        DumpRequest::resolve(&args, &settings, folder, NOW_US).unwrap().settings.table_format.unwrap()
    };
    assert_eq!(chosen("elsewhere.a x.csv"), TableFormatKind::Delta);
    assert_eq!(chosen("shop.orders x.csv"), TableFormatKind::Iceberg);
    assert_eq!(chosen("shop.items x.csv"), TableFormatKind::Delta);
    assert_eq!(chosen("shop.items x.csv --table-format iceberg"), TableFormatKind::Iceberg);
    assert_eq!(settings.sources["off"].table_format, TableFormatKind::Delta);
}

#[test]
fn a_run_takes_every_enabled_source() {
    let request = sync("run --batch-rows 10 --complete-until 2026-11-21T01:49:34Z").unwrap();
    let names: Vec<&str> = request.sources.iter().map(|selection| selection.source.name.as_str()).collect();
    assert_eq!((request.stage, names), (Stage::Merge, vec!["shop"]));
    assert_eq!(request.sources[0].source.limits.batch_rows, 10);
    assert_eq!(request.complete_until_us, Some(1_795_225_774_000_000));
}

#[test]
fn a_merge_of_one_table_is_its_source_with_what_is_typed_on_top() {
    let request = sync("merge shop.orders more/ --on-error stop").unwrap();
    let [SourceSelection { source, table: Some(table) }] = request.sources.as_slice() else { panic!("one table of one source") };
    assert_eq!((source.name.as_str(), table.to_string().as_str()), ("shop", "shop.orders"));
    assert_eq!((source.paths.as_slice(), source.on_error), (&["/here/more".to_owned()][..], OnError::Stop));
    assert_eq!(source.schema.columns, ["id bigint"]);
    let request = sync("ingest shop.orders").unwrap();
    assert_eq!((request.stage, request.sources[0].source.on_error), (Stage::Log, OnError::Quarantine));
    assert_eq!(request.sources[0].source.paths_of(table), ["/lake/landing/shop.orders"]);
}

#[test]
fn paths_of_no_source_are_a_source_of_their_own() {
    let request = sync("merge tpcc.customer landing/ --format debezium-json").unwrap();
    let source = &request.sources[0].source;
    assert_eq!((source.name.as_str(), source.format), ("default", ChangeFormat::DebeziumJson));
    let other_format = sync("merge shop.orders x.jsonl --format plain-json").unwrap();
    assert_eq!(other_format.sources[0].source.name, "default");
    assert!(sync("merge tpcc.customer").unwrap_err().to_string().contains("no source feeds"));
}

#[test]
fn a_query_names_its_cut() {
    let cut = |line: &str| {
        let Command::Query(args) = parsed(line) else { panic!("not a query") };
        QueryRequest::resolve(&args, args.sql.clone(), &settings(), Path::new(".")).map(|request| request.cut)
    };
    assert_eq!(cut("query select").unwrap(), ReadCut::Newest);
    assert_eq!(cut("query select --snapshot nightly").unwrap(), ReadCut::Snapshot("nightly".into()));
    assert_eq!(cut("query select --committed-by 2026-11-21T10:49:34+09:00").unwrap(), ReadCut::CommittedBy(1_795_225_774_000_000));
    assert!(cut("query select --committed-by 2026-11-21").is_err());
}
