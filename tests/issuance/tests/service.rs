//! The real `ansinh serve`: the command line as its client, cards issued by it, its end, TLS, and schemathesis at its calls.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use ansinh_console::calls::issuing::{Pins, Start};
use ansinh_console::client::Client;
use ansinh_console::events::Happening;
use ansinh_station::home::Home;
use ansinh_station::issue::report::News;
use ansinh_store::cards::CardState;
use ansinh_store::operators::Token;
use issuance_tests::office::{Hand, Issuing};
use issuance_tests::{TestStation, ansinh_binary};
use rig::inside_readers;
use serde_json::Value;

/// `ansinh serve` at work; killed when dropped.
struct Daemon {
    process: Child,
    url: String,
    log: Option<JoinHandle<String>>,
}

impl Daemon {
    fn start(station: &TestStation, settings: &str) -> Self {
        let file = station.home().with_file_name("ansinh.toml");
        fs::write(&file, format!("listen = \"127.0.0.1:0\"\n{settings}")).unwrap();
        let mut command = station.ansinh(&["serve", "--config", file.to_str().unwrap()]);
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let line: Value = serde_json::from_str(&first).unwrap_or_else(|_| panic!("{first}"));
        let url = line["fields"]["url"]
            .as_str()
            .unwrap_or_else(|| panic!("{first}"))
            .to_owned();
        let log = thread::spawn(move || {
            lines.read_to_string(&mut first).unwrap();
            first
        });
        Self {
            process,
            url,
            log: Some(log),
        }
    }

    fn client(&self, station: &TestStation) -> Client {
        Client::new(&self.url, None, Token::new(&token(station, "lan"))).unwrap()
    }

    /// Asks it to end as systemd does; gives its log.
    fn stop(mut self) -> String {
        let kill = format!("kill -TERM {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let status = self.process.wait().unwrap();
        let log = self.log.take().unwrap().join().unwrap();
        assert!(status.success(), "{status}: {log}");
        log
    }

    fn get(&self, path: &str) -> String {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Fails when it has ended, as it should have.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn token(station: &TestStation, operator: &str) -> String {
    let file = station.home().with_file_name(format!("{operator}.token"));
    fs::read_to_string(file).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn output(station: &TestStation, arguments: &[&str]) -> (Option<i32>, String) {
    // Without the passphrase of the keys: the service has them.
    let output = station
        .ansinh(arguments)
        .env_remove("ANSINH_PASSPHRASE")
        .output()
        .unwrap();
    (output.status.code(), text(&output))
}

#[test]
fn commands_go_to_the_service_while_it_runs_and_to_the_ledger_when_not() {
    let station = TestStation::set_up(2, 1);
    let before = output(&station, &["batch", "list", "--json"]);
    let daemon = Daemon::start(&station, "");
    assert_eq!(output(&station, &["batch", "list", "--json"]), before);
    let (code, published) = output(&station, &["block", "publish", "--json"]);
    assert_eq!(
        (code, published.trim()),
        (Some(0), r#"{"number":1,"cards":0,"full":true}"#)
    );
    for (code, arguments, part) in [
        (77, &["batch", "approve", "1"][..], "drafted this"),
        (
            1,
            &["block", "add", "7900000000000014", "--reason", "lost"],
            "is not in the store",
        ),
        (
            65,
            &["batch", "draft", "--everybody", "--title", "x", "--quota", "0"],
            "quota",
        ),
        (
            1,
            &["operator", "add", "minh", "--role", "auditor"],
            "registered already",
        ),
        (1, &["serve"], "already"),
        (
            77,
            &[
                "batch",
                "list",
                "--server",
                &daemon.url,
                "--token-file",
                "/dev/null",
            ],
            "token",
        ),
    ] {
        let mut command = Command::new(ansinh_binary());
        command.arg("--store").arg(station.home()).args(arguments);
        if !arguments.contains(&"--token-file") {
            command
                .arg("--token-file")
                .arg(station.home().with_file_name("lan.token"));
        }
        command
            .env("ANSINH_PASSPHRASE", issuance_tests::PASSPHRASE)
            .stdin(Stdio::null());
        let refused = command.output().unwrap();
        let printed = text(&refused);
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {printed}");
        assert!(printed.contains(part), "{arguments:?}: {printed}");
    }
    let log = daemon.stop();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let answered = |call: &str, status: u64| {
        lines.iter().map(|line| &line["fields"]).any(|line| {
            line["call"] == call
                && line["status"] == status
                && line["operator"] == "lan"
                && line["request"].is_string()
        })
    };
    for (call, status) in [
        ("batches", 200),
        ("block/publish", 200),
        ("batches/approve", 403),
        ("operators/add", 409),
    ] {
        assert!(answered(call, status), "{call} {status} is not in\n{log}");
    }
    assert!(!station.home().join("daemon.json").exists());
    assert_eq!(output(&station, &["batch", "list", "--json"]), before);
}

#[test]
fn the_service_issues_and_tells_nothing_personal() {
    inside_readers(2, |readers| {
        let station = TestStation::set_up(2, 2);
        let daemon = Daemon::start(&station, "");
        let before = daemon.get("/metrics");
        let mut issuing = Issuing::start(&station, &["--all-readers"]);
        for (reader, card) in readers.iter().zip(station.cards()) {
            let hand = Hand::at(reader);
            let card = hand.insert(&card);
            let line = issuing.next_line().unwrap();
            assert_eq!(line["outcome"], "issued", "{line}");
            hand.take_out(&card);
        }
        assert_eq!(issuing.next_line().unwrap()["summary"]["issued"], 2);
        let (status, errors) = issuing.end();
        assert!(status.success(), "{errors}");

        let metrics = daemon.get("/metrics");
        assert!(
            metrics.contains("ansinh_cards_total{outcome=\"issued\"} 2"),
            "{metrics}"
        );
        for line in [
            "ansinh_cards_in_work 0",
            "ansinh_lanes{state=\"idle\"} 0",
            "ansinh_persons_waiting 0",
        ] {
            assert!(metrics.contains(line), "{line} is not in\n{metrics}");
        }
        assert!(before.contains("ansinh_persons_waiting 2"), "{before}");
        assert!(writes(&metrics) > writes(&before) + 10, "{before}\n{metrics}");
        let mut events = String::new();
        for happening in daemon.client(&station).events(0).unwrap() {
            events += &serde_json::to_string(&happening).unwrap();
            if matches!(happening, Happening::IssuingEnded { .. }) {
                break;
            }
        }
        assert!(events.contains("pin-needed"), "{events}");
        let log = daemon.stop();
        assert!(log.contains("pins/give"), "{log}");
        let store = Home::new(station.home()).open_store().unwrap();
        let mut secrets = vec![
            token(&station, "lan"),
            token(&station, "minh"),
            "271828".to_owned(),
        ];
        for card in store.cards().unwrap() {
            assert_eq!(card.state, CardState::Active);
            let person = store.holder(&card.person).unwrap().person;
            assert!(!metrics.contains(&card.number.to_string()));
            secrets.extend([person.full_name, person.personal_id]);
        }
        for told in [metrics, events, log] {
            for secret in &secrets {
                assert!(!told.contains(secret.trim()), "{secret} in {told}");
            }
        }
    });
}

/// How many writes of the ledger the figures tell.
fn writes(metrics: &str) -> u64 {
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix("ansinh_store_write_seconds_count "));
    count.unwrap().parse().unwrap()
}

#[test]
fn the_service_prints_pin_letters_and_ends_when_it_is_told_to() {
    inside_readers(1, |readers| {
        let station = TestStation::set_up(2, 1);
        let folder = tempfile::tempdir().unwrap();
        let letter = folder.path().join("letter.pdf");
        let settings = format!(
            "[pin_letters]\ncommand = \"cat > '{}'\"\ncontact = \"UBND xã, 028 3829 1302\"\n",
            letter.display()
        );
        let daemon = Daemon::start(&station, &settings);
        let client = daemon.client(&station);
        let events = client.events(0).unwrap();
        let letters = Start {
            pins: Pins::Letters,
            ..Start::default()
        };
        let started = client.call(&letters).unwrap();
        assert_eq!(started.to_do, 2);
        let hand = Hand::at(&readers[0]);
        let card = hand.insert(&station.cards()[0]);
        let mut told = String::new();
        for happening in events {
            told += &serde_json::to_string(&happening).unwrap();
            match happening {
                Happening::Issuing {
                    news: News::Ended { outcome, .. },
                } => {
                    assert_eq!(outcome["outcome"], "issued", "{outcome}");
                    // Somebody waits still: only who is told to ends.
                    let (code, printed) = output(&station, &["issue", "--end"]);
                    assert_eq!(code, Some(0), "{printed}");
                    assert!(printed.contains("for lan"), "{printed}");
                }
                Happening::IssuingEnded { tally } => {
                    assert_eq!((tally.issued, tally.waiting), (1, 1));
                    break;
                }
                _ => {}
            }
        }
        hand.take_out(&card);
        let page = Command::new("pdftotext")
            .arg("-layout")
            .arg(&letter)
            .arg("-")
            .output();
        let page = text(&page.expect("pdftotext is missing: apt-get install poppler-utils"));
        let groups: Vec<_> = page.split_whitespace().collect();
        assert!(page.contains("028 3829 1302"), "{page}");
        let store = Home::new(station.home()).open_store().unwrap();
        let cards = store.cards().unwrap();
        assert_eq!(cards[0].state, CardState::Active);
        let log = daemon.stop();
        // Whatever six digits the letter has: none of them was told.
        let pins = groups
            .iter()
            .filter(|word| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit()));
        for pin in pins {
            assert!(!told.contains(pin) && !log.contains(pin), "the PIN was told");
        }
    });
}

#[test]
fn lists_and_deliveries_go_to_the_service_too() {
    let station = TestStation::set_up(1, 1);
    let daemon = Daemon::start(&station, "");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let template = beneficiary_list::Template {
        people: 30,
        seed: 2,
        period: "202611".to_owned(),
    };
    fs::write(path("list.csv"), beneficiary_list::generate(&template).unwrap()).unwrap();
    let (code, printed) = output(&station, &["import", &path("list.csv")]);
    assert!(
        code == Some(65) && printed.contains("nobody accepted"),
        "{printed}"
    );
    let (code, printed) = output(&station, &["import", &path("list.csv"), "--dry-run"]);
    assert!(
        code == Some(0) && printed.contains("nothing was imported"),
        "{printed}"
    );
    let (code, printed) = output(
        &station,
        &["import", &path("list.csv"), "--accept-warnings", "--json"],
    );
    assert_eq!(code, Some(0), "{printed}");
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        (&report["imported"], &report["errors"]),
        (&Value::Bool(true), &serde_json::json!([]))
    );
    fs::write(path("bad.csv"), "so_dinh_danh\n1\n").unwrap();
    let (code, printed) = output(&station, &["import", &path("bad.csv"), "--json"]);
    assert!(code == Some(65) && printed.contains("\"line\":1"), "{printed}");

    let file = Path::new(&path("delivery.json")).to_path_buf();
    virtual_card::blank::deliver("SECOND", &file, &folder.path().join("cards"), 2).unwrap();
    let add = || output(&station, &["delivery", "add", file.to_str().unwrap()]);
    let (code, printed) = add();
    assert!(code == Some(0) && printed.contains("2 blank cards"), "{printed}");
    let (code, printed) = add();
    assert!(
        code == Some(1) && printed.contains("registered already"),
        "{printed}"
    );
    let inbox = fs::read_dir(station.home().join("inbox")).unwrap();
    assert_eq!(inbox.count(), 0, "keys were left in clear");
    daemon.stop();
}

#[test]
fn a_stop_while_a_pin_is_awaited_leaves_a_card_that_is_finished_later() {
    inside_readers(1, |readers| {
        let station = TestStation::set_up(1, 1);
        let daemon = Daemon::start(&station, "");
        let client = daemon.client(&station);
        let events = client.events(0).unwrap();
        client.call(&Start::default()).unwrap();
        let hand = Hand::at(&readers[0]);
        let memory = &station.cards()[0];
        let card = hand.insert(memory);
        for happening in events {
            if let Happening::PinNeeded { .. } = happening {
                break;
            }
        }
        let metrics = daemon.get("/metrics");
        for line in [
            "ansinh_lanes{state=\"waiting-for-a-person\"} 1",
            "ansinh_lanes{state=\"at-work\"} 0",
            "ansinh_cards_in_work 1",
            "ansinh_cards_unfinished 1",
            "ansinh_persons_waiting 0",
        ] {
            assert!(metrics.contains(line), "{line} is not in\n{metrics}");
        }
        daemon.stop();
        hand.take_out(&card);
        let mut issuing = Issuing::start(&station, &["--all-readers"]);
        let card = hand.insert(memory);
        assert_eq!(issuing.next_line().unwrap()["outcome"], "issued");
        hand.take_out(&card);
        assert_eq!(issuing.next_line().unwrap()["summary"]["unfinished"], 0);
        assert!(issuing.end().0.success());
    });
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(arguments.split(' '))
        .output();
    let output = output.expect("openssl is missing: apt-get install openssl");
    assert!(output.status.success(), "{arguments}: {}", text(&output));
}

#[test]
fn over_tls_only_the_right_certificate_is_believed() {
    let station = TestStation::set_up(1, 1);
    let folder = tempfile::tempdir().unwrap();
    for name in ["authority", "stranger"] {
        openssl(
            folder.path(),
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"
            ),
        );
    }
    fs::write(
        folder.path().join("san"),
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    openssl(
        folder.path(),
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr -subj /CN=service",
    );
    openssl(
        folder.path(),
        "x509 -req -in leaf.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -extfile san -out leaf.pem",
    );
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    fs::write(
        folder.path().join("chain.pem"),
        read("leaf.pem") + &read("authority.pem"),
    )
    .unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let settings = format!(
        "[tls]\ncertificate = {:?}\nkey = {:?}\n",
        path("chain.pem"),
        path("leaf.key")
    );
    let daemon = Daemon::start(&station, &settings);
    assert!(daemon.url.starts_with("https://"));
    assert_eq!(
        output(&station, &["batch", "list"]).0,
        Some(0),
        "found by daemon.json"
    );
    let list = ["batch", "list", "--server", &daemon.url, "--server-certificate"];
    let with = |certificate: &str| output(&station, &[&list[..], &[&path(certificate)]].concat());
    assert_eq!(with("authority.pem").0, Some(0));
    for certificate in ["stranger.pem", "leaf.key"] {
        let (code, printed) = with(certificate);
        assert_eq!(code, Some(1), "{certificate}: {printed}");
    }
    for url in ["http://192.0.2.1:8620", "ftp://127.0.0.1", "127.0.0.1:8620"] {
        let (code, printed) = output(&station, &["batch", "list", "--server", url]);
        assert!(code == Some(1) && printed.contains("in clear"), "{printed}");
    }
    daemon.stop();
}

/// Where `tools/setup` puts it.
fn schemathesis() -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join("target/schemathesis/bin/schemathesis");
    assert!(program.exists(), "schemathesis is missing: run tools/setup");
    program
}

#[test]
fn schemathesis_finds_no_answer_that_the_document_does_not_know() {
    inside_readers(1, |_| {
        let station = TestStation::set_up(3, 1);
        let daemon = Daemon::start(&station, "");
        let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemathesis/schemathesis.toml");
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(schemathesis())
            .current_dir(folder.path())
            .arg("--config-file")
            .arg(settings)
            .arg("run")
            .arg(format!("{}/openapi.json", daemon.url))
            .args([
                "--header",
                &format!("Authorization: Bearer {}", token(&station, "lan")),
            ])
            .args([
                "--phases",
                "examples,coverage,fuzzing",
                "--max-examples",
                "15",
                "--seed",
                "1",
                "--checks",
                "all",
            ])
            // The first has no end; the others would take away the token that all calls need.
            .args([
                "--exclude-path-regex",
                "^/v1/(events|operators/(renew|suspend))$",
                "--no-color",
                "--request-timeout",
                "60",
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        daemon.stop();
    });
}
