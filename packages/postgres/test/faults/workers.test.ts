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

/** The runs of a process that nothing durable has been told of. */
function openRuns(entries: readonly Entry[], { pid }: Process): readonly Entry[] {
  const own = entries.filter((entry) => entry.pid === pid)
  const told = new Set(
    own.filter(({ what }) => what === 'success' || what === 'failed').map(({ id }) => id),
  )
  return own.filter(({ what, id }) => what === 'run' && !told.has(id))
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
    const most = long ? 1e9 : 600
    const pushing = [scene.pushing({ most }), scene.pushing({ most, args: { ms: 20 } })]
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

test('what a process ran that was killed runs in another', { skip }, async (t) => {
  assert.ok(server)
  await using scene = await Scene.open(server, { lease: LEASE_MS })
  const pushing = [scene.pushing({ most: 40, args: { ms: 150 } })]
  const victim = scene.working({ limit: 5 })
  await scene.ready()
  await scene.until((entries) => openRuns(entries, victim).length >= 5)
  scene.working({ limit: 5 })
  await scene.ready()
  await scene.more('success', 1)
  const killedAt = systemClock.monotonic()
  await scene.processes.kill(victim)
  const runs = openRuns(scene.entries(), victim)
  assert.ok(runs.length > 0)
  await scene.until((entries) => rerun(entries, runs).length === runs.length)
  t.diagnostic(`${Math.round(systemClock.monotonic() - killedAt)} ms, by a lease of ${LEASE_MS} ms`)
  await scene.end(t, pushing)
})

test(
  'a process that stood still past its lease settles nothing of before, says so, and works on',
  { skip },
  async (t) => {
    assert.ok(server)
    await using scene = await Scene.open(server, { lease: LEASE_MS, safetyPoll: 200 })
    const pushing = [scene.pushing({ most: 60, args: { ms: 100 } })]
    const worker = scene.working({ limit: 5 })
    scene.working({ limit: 5 })
    await scene.ready()
    for (let stop = 0; stop < (long ? 10 : 1); stop += 1) {
      await scene.until((entries) => openRuns(entries, worker).length >= 5)
      worker.send('SIGSTOP')
      const runs = openRuns(scene.entries(), worker)
      // Those whose outcome had been stored, but was not told of any more, nobody runs again.
      const settled = async (): Promise<number> => {
        const sql = `SELECT count(*)::int AS done FROM "${scene.schema}".task WHERE id = ANY($1) AND status = 2`
        const [row] = await server.query(sql, [runs.map(({ id }) => id)])
        return Number(row?.['done'])
      }
      while ((await settled()) < runs.length) await sleep(systemClock, 20)
      const elsewhere = rerun(scene.entries(), runs)
      assert.ok(elsewhere.length > 0)
      const before = new Set(
        scene
          .entries('run')
          .filter(({ pid }) => pid === worker.pid)
          .map(({ rest }) => rest[1]),
      )
      worker.send('SIGCONT')
      await scene.until((entries) => {
        const lost = new Set(
          entries
            .filter(({ what, pid }) => what === 'lost' && pid === worker.pid)
            .map(({ id }) => id),
        )
        return elsewhere.every(({ id }) => lost.has(id))
      })
      pushing.push(scene.pushing({ most: 60, args: { ms: 100 } }))
      // Under another incarnation.
      await scene.until((entries) =>
        entries.some(
          ({ what, pid, rest }) =>
            what === 'run' && pid === worker.pid && !before.has(rest[1] ?? ''),
        ),
      )
    }
    await scene.end(t, pushing)
  },
)
