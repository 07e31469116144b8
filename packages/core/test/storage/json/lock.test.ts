import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
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

test('a lock that was not written to its end, or holds nonsense, does not lock', async () => {
  for (const text of ['', '{', '{"pid":"1"}', '{"pid":-1,"host":"a","started":"b"}', '\0\0\0']) {
    writeFileSync(`${path}.lock`, text)
    await (await Lock.take(path)).release()
  }
})

test('a file of somebody else that has the name of the lock stays, and is named', async () => {
  for (const text of ['null', '# yarn lockfile v1\n', '{"name":"x"}']) {
    writeFileSync(`${path}.lock`, text)
    await assert.rejects(Lock.take(path), refusal(`${path}.lock is in the way`))
    assert.equal(readFileSync(`${path}.lock`, 'utf8'), text)
  }
})

test('a process that has ended, and that its parent takes no notice of, is gone', async () => {
  // What the shell starts becomes the child of what the shell becomes, and that takes no notice of its end.
  const parent = spawn('sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000'])
  const [chunk] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(String(chunk))
  const shown = (what: string, of: number | undefined): string =>
    spawnSync('ps', ['-o', `${what}=`, '-p', String(of)], { encoding: 'utf8' }).stdout.trim()
  // A shell would take notice.
  while (!shown('comm', parent.pid).endsWith('sleep')) await new Promise(setImmediate)
  process.kill(pid, 'SIGKILL')
  while (!shown('state', pid).startsWith('Z')) await new Promise(setImmediate)
  writeFileSync(`${path}.lock`, JSON.stringify({ pid, host: hostname(), started: '' }))
  await (await Lock.take(path)).release()
  parent.kill()
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

test('what stands in the way of taking a dead lock away is named, and not waited for without end', async () => {
  writeFileSync(`${path}.lock`, JSON.stringify({ pid: 2 ** 30, host: hostname(), started: '' }))
  const turnstile = `${path}.lock.stale`
  writeFileSync(turnstile, '')
  for (const years of [-1, 1]) {
    const then = new Date(Date.now() + years * 365 * 86_400_000)
    utimesSync(turnstile, then, then)
    await assert.rejects(Lock.take(path), refusal(`${turnstile} is in the way`))
  }
})

test('what somebody else has put there is not taken away at the release', async () => {
  const lock = await Lock.take(path)
  const others = JSON.stringify({ pid: 1, host: hostname(), started: 'x' })
  writeFileSync(`${path}.lock`, others)
  await lock.release()
  assert.equal(readFileSync(`${path}.lock`, 'utf8'), others)
})
