import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { isBackendError } from '../../../src/errors/backend-errors.ts'
import { Lock } from '../../../src/storage/json/lock.ts'

let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'apalis-lock-'))
  path = join(folder, 'tasks.jsonl')
})

afterEach(() => rmSync(folder, { recursive: true }))

function refusal(part: string): (error: unknown) => boolean {
  return (error) => isBackendError(error) && !error.transient && error.message.includes(part)
}

test('one has it at a time, and gives it back', async () => {
  const lock = await Lock.take(path)
  await assert.rejects(Lock.take(path), refusal(`${path}: this process itself has it open`))
  await lock.release()
  assert.equal(existsSync(`${path}.lock`), false)
  await (await Lock.take(path)).release()
})

test('a process that lives keeps it, and one that is gone does not', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const { started: ours } = await ownText()
  const pid = child.pid ?? 0
  writeFileSync(`${path}.lock`, JSON.stringify({ pid, host: hostname(), started: '' }))
  await assert.rejects(Lock.take(path), refusal(`process ${pid} has it open`))
  // The number of a process that was before it.
  writeFileSync(`${path}.lock`, JSON.stringify({ pid, host: hostname(), started: `${ours}0` }))
  await (await Lock.take(path)).release()
  writeFileSync(`${path}.lock`, JSON.stringify({ pid, host: hostname(), started: '' }))
  child.kill('SIGKILL')
  await once(child, 'exit')
  await (await Lock.take(path)).release()
})

async function ownText(): Promise<{ readonly started: string }> {
  const lock = await Lock.take(path)
  const text = readFileSync(`${path}.lock`, 'utf8')
  await lock.release()
  return JSON.parse(text) as { readonly started: string }
}

test('whoever works on another machine cannot be asked: the file to delete is named', async () => {
  writeFileSync(`${path}.lock`, JSON.stringify({ pid: 1, host: 'elsewhere', started: 'x' }))
  await assert.rejects(Lock.take(path), refusal('process 1 on elsewhere'))
  await assert.rejects(Lock.take(path), refusal(`delete ${path}.lock`))
})

test('what is no lock does not lock', async () => {
  for (const text of ['', '{', 'null', '{"pid":"1"}', '{"pid":-1,"host":"a","started":"b"}']) {
    writeFileSync(`${path}.lock`, text)
    await (await Lock.take(path)).release()
  }
})

test('of many that find the lock of a dead process one gets it', async () => {
  const dead = JSON.stringify({ pid: 2 ** 30, host: hostname(), started: '' })
  for (let round = 0; round < 20; round += 1) {
    writeFileSync(`${path}.lock`, dead)
    const taken = await Promise.allSettled(Array.from({ length: 5 }, () => Lock.take(path)))
    const locks = taken.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    assert.equal(locks.length, 1, `round ${round}`)
    await locks[0]?.release()
  }
})

test('a process that died while it took a dead lock away is in nobody’s way', async () => {
  writeFileSync(`${path}.lock`, JSON.stringify({ pid: 2 ** 30, host: hostname(), started: '' }))
  mkdirSync(`${path}.lock.stale`)
  const longAgo = new Date(Date.now() - 60_000)
  utimesSync(`${path}.lock.stale`, longAgo, longAgo)
  await (await Lock.take(path)).release()
})

test('what somebody else has put there is not taken away at the release', async () => {
  const lock = await Lock.take(path)
  const others = JSON.stringify({ pid: 1, host: hostname(), started: 'x' })
  writeFileSync(`${path}.lock`, others)
  await lock.release()
  assert.equal(readFileSync(`${path}.lock`, 'utf8'), others)
})
