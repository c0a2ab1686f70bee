-- Jobs and reports belong to a client, known by the name of its token; '' where no token was needed, and for what is
-- older than this. The same Idempotency-Key of two clients is two keys. To rename the table first keeps others off it.
ALTER TABLE stability_jobs RENAME TO stability_jobs_1;
CREATE TABLE stability_jobs (
    id TEXT PRIMARY KEY,
    client TEXT NOT NULL DEFAULT '',
    target TEXT NOT NULL,             -- path and query of the request
    boundary TEXT NOT NULL,           -- of a multipart body, else empty
    encoding BIGINT NOT NULL,         -- of the body: enum encoding
    body BLOB,                        -- as it was sent; NULL once the job has ended
    digest TEXT NOT NULL,             -- SHA-256 of the request
    idempotency_key TEXT,
    state TEXT NOT NULL,              -- queued, running, succeeded, failed, cancelled
    attempt BIGINT NOT NULL,          -- counts every start: the token that fences off whoever had it before
    tries BIGINT NOT NULL,            -- counts the starts that were not handed back
    owner TEXT,                       -- the process that works on it
    lease DOUBLE PRECISION,           -- seconds since 1970, as all times; after it anyone may take the job
    stage TEXT NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,
    created DOUBLE PRECISION NOT NULL,
    started DOUBLE PRECISION,
    finished DOUBLE PRECISION,
    status BIGINT,                    -- of a failed job: the HTTP status of its problem
    result BLOB,                      -- succeeded: the report in every format; failed: the problem document
    saved BIGINT NOT NULL,            -- 1: its report was saved, under the same id
    UNIQUE (client, idempotency_key)
);
INSERT INTO stability_jobs (id, target, boundary, encoding, body, digest, idempotency_key, state, attempt, tries, owner,
                            lease, stage, done, total, created, started, finished, status, result, saved)
    SELECT id, target, boundary, encoding, body, digest, idempotency_key, state, attempt, tries, owner,
           lease, stage, done, total, created, started, finished, status, result, saved FROM stability_jobs_1;
DROP TABLE stability_jobs_1;
CREATE INDEX stability_jobs_open ON stability_jobs (created, id) WHERE state IN ('queued', 'running');
CREATE INDEX stability_jobs_finished ON stability_jobs (finished) WHERE finished IS NOT NULL;

ALTER TABLE stability_reports ADD COLUMN client TEXT NOT NULL DEFAULT '';
ALTER TABLE stability_reports ADD COLUMN used DOUBLE PRECISION; -- when it was a baseline last; NULL: never
DROP INDEX stability_reports_time;
DROP INDEX stability_reports_model;
DROP INDEX stability_reports_name;
CREATE INDEX stability_reports_time ON stability_reports (client, created, id);
CREATE INDEX stability_reports_model ON stability_reports (client, model, created, id);
CREATE INDEX stability_reports_name ON stability_reports (client, name, created, id);
CREATE INDEX stability_reports_age ON stability_reports (client, coalesce(used, created), id);
