-- The orchestrator's tables. PostgreSQL is the source of truth: the queue can be rebuilt from here, never the other way.
CREATE TABLE IF NOT EXISTS workflows (
    id          uuid PRIMARY KEY,
    key         text UNIQUE,              -- the submitter's idempotency key
    digest      bytea NOT NULL,           -- of the submission, to tell a repeat from another one under the same key
    name        text NOT NULL,
    state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'completed', 'failed', 'cancelled')),
    steps       int  NOT NULL,
    remaining   int  NOT NULL,
    error       text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX IF NOT EXISTS workflows_open ON workflows (created_at) WHERE state = 'running';

CREATE TABLE IF NOT EXISTS tasks (
    workflow_id  uuid     NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
    step         smallint NOT NULL,
    name         text     NOT NULL,
    spec         jsonb    NOT NULL,
    state        text     NOT NULL CHECK (state IN ('pending', 'ready', 'running', 'completed', 'failed', 'cancelled')),
    idempotent   boolean  NOT NULL,
    effect       boolean  NOT NULL,
    waiting      int      NOT NULL,           -- needs that are not completed yet
    next         smallint[] NOT NULL,         -- steps that need this one
    attempt      int      NOT NULL DEFAULT 0, -- the fence: only the current attempt may end the task
    worker       text,
    not_before   timestamptz NOT NULL DEFAULT now(),
    ready_at     timestamptz,
    started_at   timestamptz,
    heartbeat_at timestamptz,
    finished_at  timestamptz,
    result       jsonb,
    error        text,
    PRIMARY KEY (workflow_id, step)
);
CREATE INDEX IF NOT EXISTS tasks_open ON tasks (state, heartbeat_at) WHERE state IN ('ready', 'running');

-- Attempts that did not end well. The one that did is in the task's own row.
CREATE TABLE IF NOT EXISTS attempts (
    workflow_id uuid NOT NULL, step smallint NOT NULL, attempt int NOT NULL,
    worker text, started_at timestamptz, ended_at timestamptz NOT NULL DEFAULT now(),
    outcome text NOT NULL, error text
);

-- What steps did to the world. One row a step is right; two are doubled work.
CREATE TABLE IF NOT EXISTS effects (
    workflow_id uuid NOT NULL, step smallint NOT NULL, attempt int NOT NULL, worker text, at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS effects_task ON effects (workflow_id, step);

CREATE TABLE IF NOT EXISTS notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, workflow_id uuid NOT NULL, kind text NOT NULL, reason text,
    created_at timestamptz NOT NULL DEFAULT now(), delivered_at timestamptz, tries int NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS notifications_open ON notifications (id) WHERE delivered_at IS NULL;

CREATE TABLE IF NOT EXISTS settings (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE IF NOT EXISTS settings_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, old text, new text NOT NULL,
    by text NOT NULL DEFAULT '', why text NOT NULL DEFAULT '', at timestamptz NOT NULL DEFAULT now()
);
