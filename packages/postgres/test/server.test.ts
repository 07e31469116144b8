import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sleep, systemClock } from '@apalis/core'
import { Client } from 'pg'
import { binariesIn, newestBinaries } from './support/binaries.ts'
import type { Held } from './support/holder.ts'
import { findOwnPostgres, findPostgres } from './support/server.ts'

const own = findOwnPostgres()
const any = findPostgres()
const { found: newest } = newestBinaries()

describe('a PostgreSQL of any kind', { skip: any.missing }, () => {
  test('databases are new, of this file, and gone with it', async () => {
    assert.ok(any.open)
    const server = await any.open()
    const other = await server.database()
    assert.notEqual(other, server.url)
    const names = `SELECT datname FROM pg_database WHERE datname = ANY($1)`
    const both = [[server.url, other].map((url) => new URL(url).pathname.slice(1))]
    assert.equal((await server.query(names, both)).length, 2)
    assert.ok(server.version >= 130_000)
    await server[Symbol.asyncDispose]()
    await assert.rejects(server.query('SELECT 1'))
  })

  test('connections are ended by their name, and no others', async () => {
    assert.ok(any.open)
    await using server = await any.open()
    const [ended, left] = await Promise.all([connect(server, 'ended'), connect(server, 'left')])
    const errors: unknown[] = []
    ended.on('error', (error) => errors.push(error))
    const gone = new Promise<void>((resolve) => ended.once('end', resolve))
    assert.equal(await server.terminate('ended'), 1)
    await gone
    assert.match(String(errors[0]), /terminat/)
    assert.deepEqual((await left.query('SELECT 1 AS one')).rows, [{ one: 1 }])
    await left.end()
  })
})

const root = process.getuid?.() === 0
const whole = newest !== undefined && existsSync(join(newest.folder, '../share'))

describe(
  'a PostgreSQL where only root may enter',
  {
    skip: root && whole ? undefined : 'it takes root, and a PostgreSQL that can be copied',
  },
  () => {
    test('is copied once to where others may run it', () => {
      assert.ok(newest !== undefined)
      const hidden = mkdtempSync(join(tmpdir(), 'apalis-hidden-'))
      const copies = mkdtempSync(join(tmpdir(), 'apalis-copies-'))
      try {
        chmodSync(copies, 0o755)
        symlinkSync(dirname(newest.folder), join(hidden, 'native'))
        const folder = join(hidden, 'native/bin')
        const copied = binariesIn(folder, copies)
        assert.equal(copied.version, newest.version)
        assert.ok(copied.folder.startsWith(copies))
        const { ino } = statSync(join(copied.folder, 'postgres'))
        assert.deepEqual(binariesIn(folder, copies), copied)
        assert.equal(statSync(join(copied.folder, 'postgres')).ino, ino)
        assert.equal(readdirSync(copies).length, 1)
      } finally {
        rmSync(hidden, { recursive: true })
        rmSync(copies, { recursive: true })
      }
    })
  },
)

describe('a PostgreSQL of its own', { skip: own.missing }, () => {
  test('nobody runs it as root, and its files are its own', async () => {
    assert.ok(own.open)
    await using server = await own.open()
    const user = execFileSync('ps', ['-o', 'user=', '-p', String(server.pids().server)])
    assert.notEqual(user.toString().trim(), 'root')
    assert.equal(statSync(join(server.folder, 'data')).mode & 0o777, 0o700)
    // And none lie elsewhere.
    assert.deepEqual(await server.query('SHOW dynamic_shared_memory_type'), [
      { dynamic_shared_memory_type: 'mmap' },
    ])
  })

  test('two are up at once, and neither sees the other', async () => {
    assert.ok(own.open)
    await using one = await own.open()
    await using other = await own.open()
    assert.notEqual(new URL(one.url).port, new URL(other.url).port)
    await one.query('CREATE TABLE here (n int)')
    await assert.rejects(other.query('SELECT * FROM here'), /does not exist/)
  })

  test('it is restarted at the same place, and what crashed is recovered', async () => {
    assert.ok(own.open)
    await using server = await own.open({ durable: true })
    assert.deepEqual(await server.query('SHOW fsync'), [{ fsync: 'on' }])
    await server.query('CREATE TABLE kept AS SELECT 1 AS n')
    for (const mode of ['fast', 'immediate'] as const) {
      const before = server.pids().server
      await server.stop(mode)
      await assert.rejects(server.query('SELECT 1'), /ECONNREFUSED/)
      await server.start()
      assert.notEqual(server.pids().server, before)
      assert.deepEqual(await server.query('SELECT n FROM kept'), [{ n: 1 }])
    }
    assert.match(server.log(), /not properly shut down/)
    // Down already: nothing to wait for.
    await server.stop()
    await server.stop()
  })

  test('what keeps it from starting is told', async () => {
    assert.ok(own.open)
    const opening = own.open({ settings: { shared_buffers: 'many' } })
    await assert.rejects(opening, /shared_buffers/)
  })

  test(
    'when the process group of the test is killed, nothing of it is left',
    { timeout: 60_000 },
    async () => {
      const { held, kill } = await hold()
      const { hostname, port } = new URL(held.url)
      assert.ok(held.pids.length >= 2)
      assert.ok(held.pids.every((pid) => isAlive(pid)))
      kill()
      while (existsSync(held.folder) || held.pids.some((pid) => isAlive(pid))) {
        await sleep(systemClock, 5)
      }
      const client = new Client({ host: hostname, port: Number(port) })
      await assert.rejects(client.connect(), /ECONNREFUSED/)
    },
  )
})

async function connect(server: { readonly url: string }, name: string): Promise<Client> {
  const client = new Client({ connectionString: server.url, application_name: name })
  await client.connect()
  return client
}

/** A process with a server, killed with all that is in its process group. */
async function hold(): Promise<{ readonly held: Held; readonly kill: () => void }> {
  const program = fileURLToPath(import.meta.resolve('./support/holder.ts'))
  const child = spawn(process.execPath, [program], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface(child.stdout), 'line')
  return {
    held: JSON.parse(String(line)) as Held,
    kill: () => process.kill(-child.pid!, 'SIGKILL'),
  }
}

/** A process that has ended and that nobody has asked about yet is not alive. */
function isAlive(pid: number): boolean {
  try {
    return !/^$|^Z/.test(
      execFileSync('ps', ['-o', 'stat=', '-p', String(pid)])
        .toString()
        .trim(),
    )
  } catch {
    // There is none of that number.
    return false
  }
}
