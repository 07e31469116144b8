import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { JsonStorage } from '../../../src/storage/json/json-storage.ts'

const rounds = process.env['APALIS_LONG'] === undefined ? 6 : 50
const program = fileURLToPath(new URL('pusher.ts', import.meta.url))

test(`killed ${rounds} times at any moment, no acknowledged push is lost and nothing is settled twice`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'apalis-kill-'))
  const path = join(folder, 'tasks.jsonl')
  const pushed = new Set<string>()
  const done = new Map<string, number>()
  for (let round = 0; round < rounds; round += 1) {
    const lines = await killedAfter(path, `r${round}`, 200 + Math.floor(Math.random() * 2_000))
    for (const line of lines) {
      const [what, id = ''] = line.split(' ')
      if (what === 'pushed') pushed.add(id)
      if (what === 'done') done.set(id, (done.get(id) ?? 0) + 1)
    }
  }
  assert.deepEqual(
    [...done].filter(([, times]) => times > 1),
    [],
    'told done twice',
  )
  const storage = await JsonStorage.open(path, { keepFinished: 1_000_000 })
  assert.deepEqual(storage.damaged, [])
  const queue = storage.queue<number>('numbers')
  const statuses = new Map<string, string>()
  for (let page = 1; ; page += 1) {
    const tasks = await queue.listTasks({ page, pageSize: 1_000 })
    for (const { parts } of tasks) statuses.set(parts.taskId, parts.status)
    if (tasks.length < 1_000) break
  }
  assert.deepEqual(
    [...pushed].filter((id) => !statuses.has(id)),
    [],
    'acknowledged, and lost',
  )
  assert.deepEqual(
    [...done.keys()].filter((id) => statuses.get(id) !== 'done'),
    [],
    'told done, and not done',
  )
  assert.ok(pushed.size > rounds * 100, `${pushed.size} pushed`)
  await storage.close()
  rmSync(folder, { recursive: true })
})

/** Runs the program until it has said so many lines, then kills it; answers with whole lines. */
async function killedAfter(path: string, prefix: string, lines: number): Promise<string[]> {
  const child = spawn(process.execPath, ['--conditions=@apalis/source', program, path, prefix], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  let count = 0
  child.stdout.on('data', (chunk: Buffer) => {
    text += String(chunk)
    count += chunk.toString().split('\n').length - 1
    if (count >= lines) child.kill('SIGKILL')
  })
  await once(child, 'close')
  return text.split('\n').slice(0, -1)
}
