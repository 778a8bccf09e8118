//! `export`: files that `load` and `diff` read back to the same values.

use serde_json::{Value, json};

use crate::diff::{dump, merged, moments};
use crate::shell::{Shell, dumped, fixture};

const TABLES: [&str; 9] = ["customer", "district", "history", "item", "new_order", "order_line", "orders", "stock", "warehouse"];
const AT: &str = "2026-11-21T01:49:34.473380Z";

/// The nine tables as they were at the first moment.
fn lake() -> Shell {
    let shell = Shell::new("");
    let ddl = fixture("tpcc/ddl.sql").display().to_string();
    for table in TABLES {
        let dump = fixture(&format!("tpcc/moment-00/{table}.csv.gz")).display().to_string();
        shell.run(&["load", &format!("tpcc.{table}"), &dump, "--null", "\\N", "--ddl", &ddl, "--at", AT]);
    }
    shell
}

#[test]
fn every_table_goes_out_and_in_again() {
    let shell = lake();
    for (format, options) in
        [("parquet", [].as_slice()), ("csv", ["--null", "\\N"].as_slice()), ("csv", [].as_slice()), ("jsonl", [].as_slice())]
    {
        let written = shell.json(&[&["export", "tpcc.*", "--to", "out", "--format", format, "--overwrite"], options].concat());
        let written = written.as_array().unwrap();
        assert_eq!(written.len(), TABLES.len());
        for table in TABLES {
            let name = format!("tpcc.{table}");
            let rows = dumped(&format!("tpcc/moment-00/{table}.csv.gz")).len();
            let entry = written.iter().find(|entry| entry["table"] == name).unwrap();
            assert_eq!(entry["rows"], rows, "{entry}");
            let file = format!("out/{name}.{format}");
            let size = std::fs::metadata(shell.path(&file)).unwrap().len();
            assert_eq!(entry["size_bytes"], size, "{file}");
            let said = shell.say(&[&["diff", &name, &file, "--exit-code"], options].concat());
            assert_eq!(said.code, 0, "{format} {said:?}");
        }
        // Two tables with types that are easily lost, loaded from the export into another one.
        for table in ["customer", "orders"] {
            let (name, copy) = (format!("tpcc.{table}"), format!("copy.{table}"));
            let columns = std::fs::read_to_string(fixture("tpcc/ddl.sql")).unwrap().replace("tpcc", "copy");
            shell.write("copy.sql", columns);
            let file = format!("out/{name}.{format}");
            shell.run(&[&["load", &copy, &file, "--ddl", "copy.sql", "--at", AT, "--supersede"], options].concat());
            assert_eq!(shell.say(&["diff", &name, &copy, "--exit-code"]).code, 0, "{format} {table}");
            assert_eq!(shell.table(&copy), dumped(&format!("tpcc/moment-00/{table}.csv.gz")));
        }
        std::fs::remove_dir_all(shell.path("out")).unwrap();
    }
    let all = shell.json(&["export", "--all", "--to", "all"]);
    assert_eq!(all.as_array().unwrap().len(), TABLES.len() + 2, "each table, and no changelog");
}

#[test]
fn nothing_that_is_there_is_lost() {
    let shell = Shell::new("");
    shell.write("a.csv", "id,n\n1,2\n2,\n");
    shell.run(&["load", "shop.a", "a.csv", "--at", AT]);
    shell.run(&["load", "shop.b", "a.csv", "--at", AT]);
    shell.write("out/shop.b.csv", "mine");
    shell.say(&["export", "shop.*", "--to", "out", "--format", "csv"]).fails(1, &["shop.b.csv", "--overwrite"]);
    assert!(!shell.path("out/shop.a.csv").exists(), "it is seen before anything is written");
    assert_eq!(std::fs::read_to_string(shell.path("out/shop.b.csv")).unwrap(), "mine");
    shell.run(&["export", "shop.*", "--to", "out", "--format", "csv", "--overwrite"]);
    assert_eq!(std::fs::read_to_string(shell.path("out/shop.b.csv")).unwrap(), "id,n\n1,2\n2,\n");
    shell.run(&["export", "shop.a", "--to", "null", "--format", "csv", "--null", "\\N"]);
    assert_eq!(std::fs::read_to_string(shell.path("null/shop.a.csv")).unwrap(), "id,n\n1,2\n2,\\N\n");
    let names: Vec<_> = std::fs::read_dir(shell.path("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");

    shell.say(&["export", "shop.a", "--to", "out2", "--null", "x"]).fails(2, &["--null"]);
    shell.say(&["export", "shop.a", "--to", "out2", "--format", "csv", "--null", "a,b"]).fails(2, &["null"]);
    shell.say(&["export", "shop.nothing", "--to", "out2"]).fails(1, &["shop.nothing"]);
    shell.say(&["export", "--to", "out2"]).fails(2, &[]);
    assert!(!shell.path("out2").exists());
}

/// A table that cannot be read to its end leaves no file of its name.
#[test]
fn an_export_that_fails_leaves_no_file() {
    let shell = Shell::new("");
    shell.write("a.csv", "id,n\n1,2\n2,\n");
    shell.run(&["load", "shop.a", "a.csv", "--at", AT]);
    let files: Value = shell.json(&["files", "shop.a"]);
    let file = files[0]["path"].as_str().unwrap().trim_start_matches("file://").to_owned();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, [&whole[..8], &vec![0xff; whole.len() - 8 - 200][..], &whole[whole.len() - 200..]].concat()).unwrap();
    for format in ["parquet", "csv", "jsonl"] {
        let said = shell.say(&["export", "shop.a", "--to", "out", "--format", format]);
        assert!([1, 75].contains(&said.code), "{said:?}");
        assert!(!shell.path(&format!("out/shop.a.{format}")).exists());
    }
    assert_eq!(files[0]["rows"], json!(2));
}

/// Tables and their keys.
const SOME: [(&str, &str); 3] = [("customer", "c_w_id,c_d_id,c_id"), ("district", "d_w_id,d_id"), ("history", "h_id")];

#[test]
fn states_at_moments_equal_the_dumps_of_then() {
    let shell = merged(&SOME.map(|(table, _)| table));
    let (each, ddl) = (moments(), fixture("tpcc/ddl.sql").display().to_string());
    shell.write("moments.csv", format!("at,case\n{}\n", each.join(",x\n")));
    let options = ["--to", "out", "--as-of-each", "moments.csv", "--format", "csv", "--null", "\\N"];
    let written = shell.json(&[["export", "--all"].as_slice(), &options].concat());
    let written = written.as_array().unwrap();
    assert_eq!(written.len(), SOME.len() * each.len());
    for entry in written {
        let (table, key) = SOME.into_iter().find(|(table, _)| entry["table"] == format!("tpcc.{table}")).unwrap();
        let at = entry["as_of"].as_str().unwrap();
        let moment = each.iter().position(|moment| moment.starts_with(at.trim_end_matches('Z'))).unwrap();
        let file = entry["file"].as_str().unwrap();
        assert!(file.ends_with(&format!("out/{at}/tpcc.{table}.csv")), "{file}");
        let dump = dump(u8::try_from(moment).unwrap(), table);
        let said = shell.say(&["diff", file, &dump, "--exit-code", "--ddl", &ddl, "--null", "\\N", "--keys", key]);
        assert_eq!(said.code, 0, "{table} at {at}: {said:?}");
    }

    shell.run(&["export", "tpcc.district", "--to", "one", "--as-of", &each[3], "--format", "jsonl"]);
    assert_eq!(shell.say(&["diff", "one/tpcc.district.jsonl", &format!("tpcc.district@{}", each[3]), "--exit-code"]).code, 0);
    let beyond = "2026-11-22T00:00:00Z";
    let say = |options: &[&str]| shell.say(&[["export", "tpcc.district", "--to", "beyond"].as_slice(), options].concat());
    say(&["--as-of", beyond]).fails(1, &["tpcc.district"]);
    assert!(!shell.path("beyond").exists());
    assert_eq!(say(&["--as-of", beyond, "--allow-incomplete"]).code, 0);
    say(&["--as-of", "2026-11-21 01:49:36"]).fails(2, &["--timezone"]);
    say(&["--allow-incomplete"]).fails(2, &["--as-of"]);
    shell.write("bad.csv", "at\nnoon\n");
    say(&["--as-of-each", "bad.csv"]).fails(2, &["bad.csv", "line 2"]);
}
