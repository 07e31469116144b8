import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { sleep, systemClock } from '@apalis/core'
import { long } from '../support/long.ts'
import { findPostgres } from '../support/server.ts'
import { type Role, ROLES, Roles } from './support/roles.ts'
import { Scene } from './support/scene.ts'

const HOUR_MS = 3_600_000
const ROUNDS = 8

const { open, missing: skip } = findPostgres()
const server = await open?.()
after(() => server?.[Symbol.asyncDispose]())

const GIVEN = { url: 'a pool of its own', pool: 'a pool of the caller’s' } as const

// In the short form nothing is ended under load.
for (const over of long ? (['url', 'pool'] as const) : []) {
  test(
    `connections that are ended under load, each role in turn, over ${GIVEN[over]}`,
    { skip },
    async (t) => {
      assert.ok(server)
      await using roles = await Roles.open(server.url)
      await using scene = await Scene.open(server, { lease: 6_000, safetyPoll: 500, over })
      const { schema } = scene
      const name = `${schema} ${over}`
      const pushing = [scene.pushing({ name }), scene.pushing({ name, args: { ms: 0 } })]
      scene.working({ name })
      scene.working({ name, limit: 50 })
      await scene.ready()
      for (let round = 0; round < ROUNDS; round += 1) {
        // The keys of the table.
        for (const role of Object.keys(ROLES) as Role[]) {
          await roles.end(role, { name, schema })
          await scene.more('success', 20)
          await scene.more('pushed', 20)
          await sleep(systemClock, Math.random() * 500)
        }
      }
      await scene.end(t, pushing)
    },
  )
}

for (const over of long ? (['url', 'pool'] as const) : (['pool'] as const)) {
  test(
    `a worker whose listening connection was ended is woken by a push again, over ${GIVEN[over]}`,
    { skip },
    async () => {
      assert.ok(server)
      const listens = 'the one that listens and beats'
      await using roles = await Roles.open(server.url)
      // Neither a poll nor a beat will tell it of anything.
      await using scene = await Scene.open(server, { lease: HOUR_MS, safetyPoll: HOUR_MS, over })
      const { schema } = scene
      const name = `${schema} ${over}`
      scene.working({ name })
      await scene.more('idle', 1)
      const before = await roles.of(listens, name)
      assert.equal(before.length, 1)
      await roles.end(listens, { name, schema })
      const again = async (): Promise<boolean> => {
        const [pid] = await roles.of(listens, name)
        return pid !== undefined && pid !== before[0]
      }
      while (!(await again())) await sleep(systemClock, 5)
      for (let count = 1; count <= (long ? 3 : 1); count += 1) {
        scene.pushing({ most: 1, atOnce: 1, args: { ms: 0 } })
        await scene.until((all) => all.filter(({ what }) => what === 'success').length === count)
      }
      assert.deepEqual(scene.entries('lost'), [])
      assert.ok((await scene.processes.stop()).every((code) => code === 0))
    },
  )
}

if (long) {
  test(
    'a worker whose one connection was ended says so and ends, and others do what it ran',
    { skip },
    async (t) => {
      assert.ok(server)
      await using roles = await Roles.open(server.url)
      await using scene = await Scene.open(server, { lease: 900, safetyPoll: 200 })
      const { schema } = scene
      const name = `${schema} client`
      const pushing = [scene.pushing({ most: 100, args: { ms: 40 } })]
      const worker = scene.working({ name, limit: 5, over: 'client' })
      await scene.ready()
      await scene.more('success', 20)
      await roles.end('all', { name, schema })
      assert.equal(await scene.processes.gone(worker), 1)
      assert.match(
        scene
          .entries('ended')
          .map(({ rest }) => rest.join(' '))
          .join(),
        /given has ended/,
      )
      scene.working({ limit: 50 })
      await scene.end(t, pushing)
    },
  )
}
