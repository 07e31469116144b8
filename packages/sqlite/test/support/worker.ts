// Works on a queue of numbers until it is stopped: `node worker.ts PATH LOG`. It notes in LOG, before anything else
// happens, each start of a handler (`start N`), each outcome that is durable (`done N`), each error that a user hears of
// (`error TEXT`), and each call into SQLite that took long (`call MS SQL`).
import { closeSync, openSync, writeSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { concurrency, Monitor, sleep, systemClock, WorkerBuilder } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'
import type { SqliteConnection } from '../../src/client.ts'

const LONG_MS = 20
const [path = '', logPath = ''] = process.argv.slice(2)
const log = openSync(logPath, 'a')
const note = (line: string): void => {
  writeSync(log, `${line}\n`)
}

function timed<Answer>(sql: string, call: () => Answer): Answer {
  const begun = systemClock.monotonic()
  try {
    return call()
  } finally {
    const ms = systemClock.monotonic() - begun
    if (ms >= LONG_MS) note(`call ${ms.toFixed(1)} ${sql.replaceAll(/\s+/g, ' ').slice(0, 60)}`)
  }
}

function connect(file: string): SqliteConnection {
  const client = new DatabaseSync(file)
  return {
    get isTransaction() {
      return client.isTransaction
    },
    exec: (sql) => timed(sql, () => client.exec(sql)),
    prepare: (sql) => timedStatement(sql, client.prepare(sql)),
    close: () => timed('close', () => client.close()),
  }
}

function timedStatement(sql: string, statement: StatementSync) {
  statement.setReturnArrays(true)
  return {
    run: (...values: SQLInputValue[]) => timed(sql, () => statement.run(...values)),
    get: (...values: SQLInputValue[]) => timed(sql, () => statement.get(...values)),
    all: (...values: SQLInputValue[]) => timed(sql, () => statement.all(...values)),
  }
}

const storage = await SqliteStorage.open(path, { lease: '3s', connect })
const monitor = new Monitor().register(() =>
  new WorkerBuilder('worker')
    .backend(storage.queue<number>('numbers'))
    .layer(concurrency(10))
    .build(async (n) => {
      note(`start ${n}`)
      await sleep(systemClock, 5)
    }),
)
monitor.onEvent((event) => {
  if (event.type === 'success') note(`done ${String(event.task.args)}`)
  else if (event.type === 'error' || event.type === 'lost') {
    const error = event.type === 'error' ? String(event.error) : event.reason
    note(`error ${event.type} ${'operation' in event ? event.operation : ''} ${error}`)
  }
})
console.log('working')
await monitor.runWithSignal()
await storage.close()
closeSync(log)
