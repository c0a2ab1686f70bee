CREATE TABLE stability_jobs (
    id TEXT PRIMARY KEY,
    target TEXT NOT NULL,             -- path and query of the request
    boundary TEXT NOT NULL,           -- of a multipart body, else empty
    encoding BIGINT NOT NULL,         -- of the body: enum encoding
    body BLOB,                        -- as it was sent; NULL once the job has ended
    digest TEXT NOT NULL,             -- SHA-256 of all of the above
    idempotency_key TEXT UNIQUE,
    state TEXT NOT NULL,              -- queued, running, succeeded, failed, cancelled
    attempt BIGINT NOT NULL,          -- counts every start: the token that fences off whoever had it before
    tries BIGINT NOT NULL,            -- counts the starts that were not handed back
    owner TEXT,
    lease DOUBLE PRECISION,           -- seconds since 1970, as all times; after it anyone may take the job
    stage TEXT NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,
    created DOUBLE PRECISION NOT NULL,
    started DOUBLE PRECISION,
    finished DOUBLE PRECISION,
    status BIGINT,                    -- of a failed job: the HTTP status of its problem
    result BLOB,                      -- succeeded: the report in every format; failed: the problem document
    saved BIGINT NOT NULL             -- 1: there is a report with this id
);
CREATE INDEX stability_jobs_open ON stability_jobs (created, id) WHERE state IN ('queued', 'running');
CREATE INDEX stability_jobs_finished ON stability_jobs (finished) WHERE finished IS NOT NULL;

CREATE TABLE stability_reports (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,               -- diagnose, gradcheck
    model TEXT,
    verdict TEXT NOT NULL,
    created DOUBLE PRECISION NOT NULL,
    report BLOB NOT NULL              -- in every format
);
CREATE INDEX stability_reports_time ON stability_reports (created, id);
CREATE INDEX stability_reports_model ON stability_reports (model, created, id);
CREATE INDEX stability_reports_name ON stability_reports (name, created, id);
