/** One step of the schema. */
export interface Migration {
  /** From 1, without gaps. */
  readonly version: number
  readonly sql: string
}

/** What a task's `status` is stored as. */
export const PENDING = 0
export const RUNNING = 1
export const DONE = 2
export const FAILED = 3
export const KILLED = 4

/** What a task's `lane` is: null where it cannot be claimed now. */
export const READY = 1
/** It may be what kills the processes that it runs in. */
export const SUSPECT = 2

function given(column: string): string {
  return `${column} BETWEEN -4503599627370496 AND 4503599627370496`
}

/**
 * Every schema there was, each step taken in a transaction of its own. A step that was published never changes.
 *
 * Rows are written by us only, but nothing keeps anybody from writing to a file: whatever stands in a column is looked at
 * when it is read, and what cannot be used costs that task alone. Only numbers that SQLite gives out are checked: those to
 * come follow the largest, and JavaScript has to have room for them.
 */
export const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
-- Names are stored once; tasks carry the small number. The counts spare metrics a scan, and change with the rows.
CREATE TABLE apalis_queue (
  id INTEGER PRIMARY KEY CHECK (${given('id')}),
  name TEXT NOT NULL UNIQUE,
  paused INTEGER NOT NULL DEFAULT 0,
  -- How often that has changed: who looks now and then must not miss that it went there and back.
  switches INTEGER NOT NULL DEFAULT 0,
  pending INTEGER NOT NULL DEFAULT 0,
  running INTEGER NOT NULL DEFAULT 0,
  done INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  killed INTEGER NOT NULL DEFAULT 0,
  -- Of the pending and failed: those with a due_at.
  future INTEGER NOT NULL DEFAULT 0,
  -- Grows whenever something may have become due: what other processes look at.
  signs INTEGER NOT NULL DEFAULT 0
);

-- Incarnations. AUTOINCREMENT, since a number that came again would give a new incarnation the claims of an old one.
CREATE TABLE apalis_worker (
  id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (${given('id')}),
  queue INTEGER NOT NULL,
  incarnation TEXT NOT NULL,
  name TEXT NOT NULL,
  layers TEXT NOT NULL,
  lease_ms INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  beat_at INTEGER NOT NULL,
  -- Null: it was ended.
  lease_end INTEGER,
  UNIQUE (queue, incarnation)
);

-- What changes comes first and is small. seq is the order of insertion.
CREATE TABLE apalis_task (
  seq INTEGER PRIMARY KEY CHECK (${given('seq')}),
  queue INTEGER NOT NULL,
  status INTEGER NOT NULL DEFAULT 0,
  lane INTEGER DEFAULT 1,
  -- run_at, while that has not come.
  due_at INTEGER,
  priority INTEGER NOT NULL DEFAULT 0,
  run_at INTEGER NOT NULL DEFAULT (unixepoch() * 1000),
  epoch INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 5,
  rescues INTEGER NOT NULL DEFAULT 0,
  releases INTEGER NOT NULL DEFAULT 0,
  -- Who runs it; afterwards who settled it last, for as long as the row still shows that.
  worker INTEGER,
  locked_at INTEGER,
  finished_at INTEGER,
  created_at INTEGER NOT NULL DEFAULT (unixepoch() * 1000),
  timeout_ms INTEGER,
  -- 1: holds its unique key. Until key_until, or, where that is null, until its end.
  key_held INTEGER,
  key_until INTEGER,
  -- How many failed runs apalis_failure has of it.
  failures INTEGER NOT NULL DEFAULT 0,
  id TEXT NOT NULL,
  unique_key TEXT,
  metadata TEXT,
  -- Null: too long to be copied with every change of the row, it is in apalis_payload.
  args TEXT,
  result TEXT
);
CREATE UNIQUE INDEX apalis_task_id ON apalis_task (queue, id);
CREATE UNIQUE INDEX apalis_task_key ON apalis_task (queue, unique_key) WHERE key_held = 1;
-- Exactly the order of claims (the last key of an index is the seq), and exactly the rows that can be claimed.
CREATE INDEX apalis_task_ready ON apalis_task (queue, lane, priority DESC, run_at)
  WHERE lane IS NOT NULL;
CREATE INDEX apalis_task_future ON apalis_task (queue, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX apalis_task_running ON apalis_task (queue, worker) WHERE status = 1;
CREATE INDEX apalis_task_finished ON apalis_task (queue, status, finished_at)
  WHERE finished_at IS NOT NULL;
-- Rows that no other index would lead to, though they have not ended: written by hand, empty otherwise.
CREATE INDEX apalis_task_odd ON apalis_task (queue) WHERE CASE status
  WHEN 0 THEN CASE lane WHEN 1 THEN 0 WHEN 2 THEN 0 ELSE typeof(due_at) <> 'integer' END
  WHEN 1 THEN NOT coalesce(worker BETWEEN 1 AND 9007199254740990, 0) OR lane IS NOT NULL
  WHEN 2 THEN finished_at IS NULL OR lane IS NOT NULL
  WHEN 3 THEN CASE lane WHEN 1 THEN 0 WHEN 2 THEN 0 ELSE typeof(due_at) <> 'integer' END
  WHEN 4 THEN finished_at IS NULL OR lane IS NOT NULL
  ELSE 1 END;

CREATE TABLE apalis_payload (
  task INTEGER PRIMARY KEY,
  args TEXT NOT NULL
);

-- The last failed runs of a task, as a JSON array.
CREATE TABLE apalis_failure (
  task INTEGER PRIMARY KEY,
  failures TEXT NOT NULL
);

-- Tasks whose end somebody waits for.
CREATE TABLE apalis_awaited (
  queue INTEGER NOT NULL,
  id TEXT NOT NULL,
  PRIMARY KEY (queue, id)
) WITHOUT ROWID;

-- What happened to single tasks, for the other processes; only the last few thousand are kept.
CREATE TABLE apalis_signal (
  seq INTEGER PRIMARY KEY CHECK (${given('seq')}),
  type TEXT NOT NULL,
  queue INTEGER NOT NULL,
  id TEXT NOT NULL
);
`,
  },
]
