import assert from 'node:assert/strict'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { isBackendError, OptionError } from '@apalis/core'
import { SqliteStorage, type SqliteStorageOptions } from '@apalis/sqlite'
import { testFolder } from './support/files.ts'
import { start } from './support/programs.ts'

async function assertRefused(
  path: string,
  why: RegExp,
  options: SqliteStorageOptions = {},
): Promise<void> {
  await assert.rejects(SqliteStorage.open(path, options), (error) => {
    assert.ok(isBackendError(error), String(error))
    assert.deepEqual([error.transient, error.applied], [false, 'no'])
    assert.ok(error.message.includes(path), error.message)
    assert.match(error.message, why)
    return true
  })
}

test('a path in a folder that does not exist is refused, and nothing is made', async () => {
  using folder = testFolder()
  await assertRefused(folder.file('missing/tasks.db'), /the folder .*missing does not exist/)
  assert.throws(() => statSync(folder.file('missing')), { code: 'ENOENT' })
})

test('a path below a file is refused', async () => {
  using folder = testFolder()
  writeFileSync(folder.file('file'), 'text')
  await assertRefused(folder.file('file/tasks.db'), /is no folder|not a directory/i)
})

test('a directory is refused', async () => {
  using folder = testFolder()
  mkdirSync(folder.file('tasks.db'))
  await assertRefused(folder.file('tasks.db'), /is a directory/)
})

test('a file that is no database is refused and left as it is', async () => {
  using folder = testFolder()
  writeFileSync(folder.file(), 'Dear diary, '.repeat(1_000))
  await assertRefused(folder.file(), /is no SQLite database/)
  assert.ok(readFileSync(folder.file(), 'utf8').startsWith('Dear diary'))
})

test('a damaged database is refused', async () => {
  using folder = testFolder()
  const storage = await SqliteStorage.open(folder.file())
  await storage.queue<number>('work').pushBulk(Array.from({ length: 1_000 }, (_, index) => index))
  await storage.close()
  const bytes = readFileSync(folder.file())
  // The head says that it is a database; every page after that is nothing.
  bytes.fill(0xff, 100)
  writeFileSync(folder.file(), bytes)
  await assertRefused(folder.file(), /is a damaged SQLite database/)
})

test('tables of these names that are not ours are refused, and left as they are', async () => {
  using folder = testFolder()
  const theirs = new DatabaseSync(folder.file())
  theirs.exec('CREATE TABLE apalis_task (a)')
  theirs.close()
  await assertRefused(folder.file(), /its apalis tables do not fit: .*apalis_task/)
})

test('a column or an index that somebody took away is missed at once', async () => {
  for (const [change, missing] of [
    ['ALTER TABLE apalis_task DROP COLUMN timeout_ms', /timeout_ms/],
    ['DROP INDEX apalis_task_ready', /apalis_task_ready/],
    ['DROP TABLE apalis_worker', /apalis_worker/],
  ] as const) {
    using folder = testFolder()
    await (await SqliteStorage.open(folder.file())).close()
    const connection = new DatabaseSync(folder.file())
    connection.exec(change)
    connection.close()
    await assertRefused(folder.file(), missing)
  }
})

test('a newer schema is refused by path, and what it is', async () => {
  using folder = testFolder()
  await (await SqliteStorage.open(folder.file())).close()
  const connection = new DatabaseSync(folder.file())
  connection.exec('INSERT INTO apalis_migration VALUES (99, 0)')
  connection.close()
  await assertRefused(folder.file(), /version 99, .* up to 1;/)
})

test('a connection that cannot write is refused at once', async () => {
  using folder = testFolder()
  await (await SqliteStorage.open(folder.file())).close()
  const connect = (path: string): DatabaseSync => new DatabaseSync(path, { readOnly: true })
  await assertRefused(folder.file(), /cannot be written to/, { connect })
})

test('a file or folder without the right to write is refused', async () => {
  using folder = testFolder()
  mkdirSync(folder.file('sub'))
  const path = folder.file('sub/tasks.db')
  await (await SqliteStorage.open(path)).close()
  chmodSync(folder.path, 0o755)
  chmodSync(path, 0o444)
  await asAnybody(() => assertRefused(path, /cannot be written to/))
  chmodSync(path, 0o666)
  chmodSync(folder.file('sub'), 0o555)
  await asAnybody(() => assertRefused(path, /cannot be written to|cannot be opened or made/))
  chmodSync(folder.file('sub'), 0o755)
})

test('a log without its file is refused: nothing that was stored is given up in silence', async () => {
  for (const [change, what] of [
    [unlinkSync, /is gone, while the log/],
    [(path: string) => truncateSync(path), /is empty, while the log/],
  ] as const) {
    using folder = testFolder()
    const path = folder.file()
    const program = start('killed.ts', [path])
    assert.equal(await program.ended, 'SIGKILL', program.output)
    copyFileSync(path, folder.file('copy'))
    change(path)
    await assertRefused(path, what)
    copyFileSync(folder.file('copy'), path)
    const storage = await SqliteStorage.open(path)
    assert.equal((await storage.queue<number>('work').metrics()).pending, 100)
    await storage.close()
  }
})

test('what `connect` gives back has to be a connection to the path', async () => {
  using folder = testFolder()
  const path = folder.file()
  const refused: readonly (readonly [(path: string) => unknown, RegExp])[] = [
    [() => new DatabaseSync(folder.file('other.db')), /what was opened is .*other\.db/],
    [() => new DatabaseSync(':memory:'), /what was opened is a database in memory/],
    [
      (file) => {
        const closed = new DatabaseSync(file)
        closed.close()
        return closed
      },
      /not open/,
    ],
    [() => assert.fail('no client'), /no client/],
  ]
  for (const [connect, why] of refused) await assertRefused(path, why, { connect } as never)
  for (const connect of [() => undefined, async () => new DatabaseSync(path), () => ({})]) {
    const open = SqliteStorage.open(path, { connect } as never)
    await assert.rejects(open, (error) => error instanceof OptionError)
  }
  // Whatever its rows look like.
  const connect = (file: string): DatabaseSync => new DatabaseSync(file, { returnArrays: true })
  await (await SqliteStorage.open(path, { connect })).close()
})

/** Modes of files stop nobody who is root. */
async function asAnybody(work: () => Promise<void>): Promise<void> {
  const root = process.geteuid?.() === 0
  if (root) process.seteuid?.(65_534)
  try {
    await work()
  } finally {
    if (root) process.seteuid?.(0)
  }
}

test('an application can keep its own tables in the same file', async () => {
  using folder = testFolder()
  const theirs = new DatabaseSync(folder.file())
  theirs.exec('CREATE TABLE users (id); INSERT INTO users VALUES (1)')
  const storage = await SqliteStorage.open(folder.file())
  await storage.queue<number>('work').push(1)
  await storage.close()
  assert.equal(theirs.prepare('SELECT count(*) AS users FROM users').get()?.['users'], 1)
  theirs.close()
})

test('a path may be relative or a URL, and means the same file after a change of folder', async () => {
  using folder = testFolder()
  const storage = await SqliteStorage.open(pathToFileURL(folder.file()))
  assert.equal(storage.path, folder.file())
  await storage.close()
  const before = process.cwd()
  process.chdir(folder.path)
  const relative = await SqliteStorage.open('other.db')
  process.chdir(before)
  await relative.queue<number>('work').push(1)
  assert.equal(relative.path, join(folder.path, 'other.db'))
  await relative.close()
})

test('options that cannot be used are refused by name', async () => {
  using folder = testFolder()
  const path = folder.file()
  const refused: readonly (readonly [unknown, object, RegExp])[] = [
    ['', {}, /SqliteStorage path/],
    [7, {}, /SqliteStorage path/],
    ['file:tasks.db', {}, /SqliteStorage path/],
    [new URL('https://example.com/tasks.db'), {}, /SqliteStorage path/],
    [path, { synchronous: 'off' }, /synchronous.*"off"/],
    [path, { connect: 'better-sqlite3' }, /connect.*"better-sqlite3"/],
    [path, { lease: '1 hour' }, /storage\.lease/],
    [path, { callTimeout: -1 }, /storage\.callTimeout/],
    [path, { synchronus: 'full' }, /storage\.synchronus.* connect, synchronous, clock,/],
    [path, { clock: {} }, /storage\.clock/],
  ]
  for (const [wrong, options, message] of refused) {
    await assert.rejects(SqliteStorage.open(wrong as string, options), (error) => {
      assert.ok(error instanceof OptionError, String(error))
      assert.match(error.message, message)
      return true
    })
  }
  // And before anything was made.
  assert.deepEqual(readdirSync(folder.path), [])
})

test('in memory everything goes with the process', async () => {
  const storage = await SqliteStorage.open(':memory:')
  const other = await SqliteStorage.open(':memory:')
  await storage.queue<number>('work').push(1)
  assert.deepEqual(await storage.listQueues(), [{ name: 'work', paused: false }])
  assert.deepEqual(await other.listQueues(), [])
  assert.equal(storage.path, ':memory:')
  await Promise.all([storage.close(), other.close()])
})

test('a storage closes once, leaves one file, and refuses calls from then on', async () => {
  using folder = testFolder()
  const storage = await SqliteStorage.open(folder.file())
  const tasks = storage.queue<number>('work')
  const id = await tasks.push(1)
  await Promise.all([storage.close(), storage.close()])
  await storage.close()
  await assert.rejects(tasks.push(2), isBackendError)
  assert.throws(() => statSync(`${folder.file()}-wal`), { code: 'ENOENT' })
  // The file is whole by itself.
  copyFileSync(folder.file(), folder.file('copy.db'))
  const copy = await SqliteStorage.open(folder.file('copy.db'))
  assert.equal((await copy.queue<number>('work').fetchById(id))?.args, 1)
  await copy.close()
})
