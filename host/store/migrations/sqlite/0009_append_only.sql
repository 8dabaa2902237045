-- What was signed, ingested or done is never changed or deleted: the database itself refuses it, whoever asks.

CREATE TRIGGER operation_is_kept BEFORE DELETE ON operation
    BEGIN SELECT RAISE(ABORT, 'operation is append-only'); END;
CREATE TRIGGER operation_stays BEFORE UPDATE ON operation
    BEGIN SELECT RAISE(ABORT, 'operation is append-only'); END;

CREATE TRIGGER issuer_log_is_kept BEFORE DELETE ON issuer_log
    BEGIN SELECT RAISE(ABORT, 'issuer_log is append-only'); END;
CREATE TRIGGER issuer_log_stays BEFORE UPDATE ON issuer_log
    BEGIN SELECT RAISE(ABORT, 'issuer_log is append-only'); END;

CREATE TRIGGER journal_entry_is_kept BEFORE DELETE ON journal_entry
    BEGIN SELECT RAISE(ABORT, 'journal_entry is append-only'); END;
CREATE TRIGGER journal_entry_stays BEFORE UPDATE ON journal_entry
    BEGIN SELECT RAISE(ABORT, 'journal_entry is append-only'); END;

CREATE TRIGGER acknowledgement_is_kept BEFORE DELETE ON acknowledgement
    BEGIN SELECT RAISE(ABORT, 'acknowledgement is append-only'); END;
CREATE TRIGGER acknowledgement_stays BEFORE UPDATE ON acknowledgement
    BEGIN SELECT RAISE(ABORT, 'acknowledgement is append-only'); END;

-- Of a card's journal a note may be forgotten, nothing else: it holds personal data that nobody needs any more.
CREATE TRIGGER issuance_journal_is_kept BEFORE DELETE ON issuance_journal
    BEGIN SELECT RAISE(ABORT, 'issuance_journal is append-only'); END;
CREATE TRIGGER issuance_journal_stays BEFORE UPDATE ON issuance_journal
    WHEN new.note IS NOT NULL OR new.card <> old.card OR new.position <> old.position OR new.step <> old.step
        OR new.reader <> old.reader OR new.written_at <> old.written_at
    BEGIN SELECT RAISE(ABORT, 'issuance_journal is append-only but for notes that are forgotten'); END;
