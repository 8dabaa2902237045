-- What was signed, ingested or done is never changed or deleted: the database itself refuses it, whoever asks.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$;

CREATE TRIGGER operation_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON operation
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER issuer_log_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON issuer_log
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER journal_entry_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_entry
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER acknowledgement_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON acknowledgement
    EXECUTE FUNCTION refuse_change();

-- Of a card's journal a note may be forgotten, nothing else: it holds personal data that nobody needs any more.
CREATE TRIGGER issuance_journal_is_kept BEFORE DELETE OR TRUNCATE ON issuance_journal
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER issuance_journal_stays BEFORE UPDATE ON issuance_journal FOR EACH ROW
    WHEN (new.note IS NOT NULL OR new.card <> old.card OR new.position <> old.position OR new.step <> old.step
        OR new.reader <> old.reader OR new.written_at <> old.written_at)
    EXECUTE FUNCTION refuse_change();
