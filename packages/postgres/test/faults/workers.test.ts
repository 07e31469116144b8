import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { sleep, systemClock } from '@apalis/core'
import { long } from '../support/long.ts'
import { findPostgres } from '../support/server.ts'
import type { Entry } from './support/log.ts'
import type { Process } from './support/processes.ts'
import { Scene } from './support/scene.ts'

const KILLS = long ? 60 : 1
const LEASE_MS = long ? 2_000 : 800

const { open, missing: skip } = findPostgres()
const server = await open?.()
after(() => server?.[Symbol.asyncDispose]())

/** Somewhat less than two workers do that run five at a time. */
const STREAM = { pauseMs: 400, args: { ms: 200 } }

/** What is told of a run once it is over. */
const OVER = new Set(['success', 'failed', 'lost'])

/** The runs of a process that nothing durable has been told of. */
function openRuns(entries: readonly Entry[], { pid }: Process): readonly Entry[] {
  const own = entries.filter((entry) => entry.pid === pid)
  const told = new Set(own.filter(({ what }) => OVER.has(what)).map(runOf))
  return own.filter((entry) => entry.what === 'run' && !told.has(runOf(entry)))
}

function runOf({ id, epoch }: Entry): string {
  return `${id} ${epoch}`
}

/** The runs of the same tasks in other processes that came afterwards. */
function rerun(entries: readonly Entry[], runs: readonly Entry[]): readonly Entry[] {
  return runs.flatMap((run) => {
    const from = entries.indexOf(run)
    const again = entries.find(
      ({ what, id, pid }, at) => at > from && what === 'run' && id === run.id && pid !== run.pid,
    )
    return again === undefined ? [] : [again]
  })
}

test(
  'one worker after the other is killed, and another started: nothing is lost, nothing done twice',
  { skip },
  async (t) => {
    assert.ok(server)
    await using scene = await Scene.open(server, { lease: LEASE_MS, safetyPoll: 200 })
    const pace = { most: long ? 1e9 : 600, pauseMs: 20 }
    const pushing = [scene.pushing(pace), scene.pushing({ ...pace, args: { ms: 20 } })]
    const working = Array.from({ length: long ? 3 : 2 }, () => scene.working())
    await scene.ready()
    for (let kill = 0; kill < KILLS; kill += 1) {
      if (long) await sleep(systemClock, 1_000)
      else await scene.more('success', 100)
      const victim = working.shift()
      assert.ok(victim)
      await scene.processes.kill(victim)
      working.push(scene.working())
    }
    const { doubles, rescued } = await scene.end(t, pushing)
    assert.ok(rescued > 0)
    assert.ok(doubles <= rescued, `${doubles} runs too many, and ${rescued} rescues`)
  },
)

if (long) {
  test('what a process ran that was killed runs in another', { skip }, async (t) => {
    assert.ok(server)
    await using scene = await Scene.open(server, { lease: LEASE_MS })
    const victim = scene.working({ limit: 5 })
    scene.working({ limit: 5 })
    await scene.ready()
    const pushing = [scene.pushing(STREAM)]
    await scene.until((entries) => openRuns(entries, victim).length >= 5)
    const killedAt = systemClock.monotonic()
    await scene.processes.kill(victim)
    const runs = openRuns(scene.entries(), victim)
    assert.ok(runs.length > 0)
    await settled(scene, runs)
    assert.ok(rerun(scene.entries(), runs).length > 0)
    const tookMs = Math.round(systemClock.monotonic() - killedAt)
    t.diagnostic(`done after ${tookMs} ms, by a lease of ${LEASE_MS} ms`)
    await scene.end(t, pushing)
  })

  test(
    'a process that stood still past its lease settles nothing of before, says so, and works on',
    { skip },
    async (t) => {
      assert.ok(server)
      await using scene = await Scene.open(server, { lease: LEASE_MS, safetyPoll: 200 })
      const worker = scene.working({ limit: 5 })
      scene.working({ limit: 5 })
      await scene.ready()
      const pushing = [scene.pushing(STREAM)]
      for (let stop = 0; stop < (long ? 10 : 1); stop += 1) {
        await scene.until((entries) => openRuns(entries, worker).length >= 5)
        worker.send('SIGSTOP')
        const runs = openRuns(scene.entries(), worker)
        await settled(scene, runs)
        const elsewhere = rerun(scene.entries(), runs)
        assert.ok(elsewhere.length > 0)
        const known = new Set(scene.entries().filter(isRunOf(worker)).map(incarnationOf))
        worker.send('SIGCONT')
        await scene.until((entries) => {
          const own = entries.filter(({ what, pid }) => what === 'lost' && pid === worker.pid)
          return elsewhere.every(({ id }) => own.some((entry) => entry.id === id))
        })
        await scene.until((entries) =>
          entries.some((entry) => isRunOf(worker)(entry) && !known.has(incarnationOf(entry))),
        )
      }
      await scene.end(t, pushing)
    },
  )
}

/** Settles when these tasks are done. Whose outcome had been stored, but was not told of any more, nobody runs again. */
async function settled(scene: Scene, runs: readonly Entry[]): Promise<void> {
  const sql = `SELECT count(*)::int AS left FROM "${scene.schema}".task WHERE id = ANY($1) AND status <> 2`
  const ids = runs.map(({ id }) => id)
  while ((await server?.query(sql, [ids]))?.[0]?.['left'] !== 0) await sleep(systemClock, 20)
}

function isRunOf(process: Process): (entry: Entry) => boolean {
  return ({ what, pid }) => what === 'run' && pid === process.pid
}

function incarnationOf({ rest }: Entry): string | undefined {
  return rest[1]
}
