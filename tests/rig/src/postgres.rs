//! A private PostgreSQL server, reached by a UNIX socket only: nothing of it is left when the process that started it has ended,
//! in whatever way.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes a cluster, says in which folder, and waits for the end of its standard input, which the kernel closes when the process
/// that holds its other end dies.
const KEEPER: &str = r#"
set -eu
folder=$(mktemp --directory /tmp/ansinh-postgres-XXXXXX)
trap 'pg_ctl --pgdata="$folder/data" --mode=immediate stop >"$folder/log" 2>&1 || true; rm -rf "$folder"' EXIT
trap '' INT TERM HUP
chmod 755 "$folder"
initdb --pgdata="$folder/data" --username=ansinh --auth=trust --encoding=UTF8 --locale=C --no-sync >"$folder/log" 2>&1 ||
    { cat "$folder/log" >&2; exit 1; }
cat >>"$folder/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$folder'
max_connections = 200
shared_buffers = 32MB
END
pg_ctl --pgdata="$folder/data" --log="$folder/server.log" --wait start >"$folder/log" 2>&1 </dev/null ||
    { cat "$folder/log" "$folder/server.log" >&2; exit 1; }
echo "$folder"
cat >/dev/null
"#;

/// A running server with the role `ansinh`, who owns it and needs no password.
pub struct Postgres {
    folder: PathBuf,
    databases: AtomicU32,
    keeper: Child,
}

/// The server of this test executable, started when it is first asked for.
///
/// # Panics
/// See [`Postgres::start`].
pub fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(Postgres::start)
}

impl Postgres {
    /// Starts a server of its own, for a test that stops or kills it.
    ///
    /// # Panics
    /// If PostgreSQL 15 or later is not installed, or does not start, with what it said.
    #[must_use]
    pub fn start() -> Self {
        let mut keeper = as_postgres("sh")
            .args(["-c", KEEPER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("sh or runuser: {error}: install Debian's util-linux"));
        let mut folder = String::new();
        if let Some(output) = keeper.stdout.take() {
            let read = BufReader::new(output).read_line(&mut folder);
            read.unwrap_or_else(|error| panic!("the server's folder: {error}"));
        }
        let folder = folder.trim_end();
        assert!(
            !folder.is_empty(),
            "PostgreSQL did not start; its reason is above"
        );
        Self {
            folder: PathBuf::from(folder),
            databases: AtomicU32::new(0),
            keeper,
        }
    }

    /// A new, empty database; the answer is its URL.
    ///
    /// # Panics
    /// If the server is not running.
    pub fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql(
            &self.url("postgres"),
            &format!("CREATE DATABASE {name} TEMPLATE template0"),
        );
        self.url(&name)
    }

    /// The URL of a database by its name.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres:///{database}?host={}&user=ansinh",
            self.folder.display()
        )
    }

    /// Folder of the UNIX socket `.s.PGSQL.5432`.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// What PostgreSQL's own command line answers to SQL: one row a line, columns separated by `|`.
    ///
    /// # Panics
    /// If there is no `psql`, or it refuses the SQL.
    pub fn psql(&self, url: &str, sql: &str) -> String {
        let (done, output) = self.try_psql(url, sql);
        assert!(done, "{sql}: {output}");
        output
    }

    /// Whether `psql` accepts the SQL, and what it answers or complains of.
    ///
    /// # Panics
    /// If there is no `psql`.
    pub fn try_psql(&self, url: &str, sql: &str) -> (bool, String) {
        let output = Command::new(program("psql"))
            .args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet"])
            .args(["--set=ON_ERROR_STOP=1", "--dbname", url, "--command", sql])
            .output()
            .unwrap_or_else(|error| panic!("psql: {error}"));
        let text = if output.status.success() {
            output.stdout
        } else {
            output.stderr
        };
        (
            output.status.success(),
            String::from_utf8_lossy(&text).trim().to_owned(),
        )
    }

    /// Ends the server as a power cut does, and starts it again: it recovers from its write-ahead log.
    ///
    /// # Panics
    /// If it does not start.
    pub fn crash_and_restart(&self) {
        self.control(&["--mode=immediate", "stop"]);
        let log = format!("--log={}", self.folder.join("server.log").display());
        self.control(&["--wait", &log, "start"]);
    }

    /// Changes a setting of the whole server and lets it take effect.
    ///
    /// # Panics
    /// If the server refuses it.
    pub fn set(&self, setting: &str, value: &str) {
        self.psql(
            &self.url("postgres"),
            &format!("ALTER SYSTEM SET {setting} = '{value}'"),
        );
        self.control(&["--wait", "--mode=fast", "restart"]);
    }

    fn control(&self, arguments: &[&str]) {
        let status = as_postgres("pg_ctl")
            .arg(format!("--pgdata={}", self.folder.join("data").display()))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        let done = status.is_ok_and(|status| status.success());
        assert!(done, "pg_ctl {arguments:?} failed");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A program as user `postgres` with the server's programs in its path: PostgreSQL refuses to run as root.
fn as_postgres(program: &str) -> Command {
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = if is_root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", program]);
        command
    } else {
        Command::new(program)
    };
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("PATH", format!("{}:{path}", programs().display()))
        .current_dir("/");
    command
}

fn program(name: &str) -> PathBuf {
    programs().join(name)
}

/// The newest version's folder of programs: Debian does not put the server's into the path.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let newest = versions
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .filter(|version| *version >= 15)
            .max();
        match newest {
            Some(version) => PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")),
            None => panic!("PostgreSQL 15 or later is missing: apt-get install postgresql"),
        }
    })
}
