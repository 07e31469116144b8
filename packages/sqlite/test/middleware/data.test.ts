import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acknowledge } from '@apalis/core'
import { Lab } from './lab.ts'

const done = { status: 'done', attempt: 1, releases: 0 }
const failed = (message: string) => ({
  status: 'failed',
  attempt: 1,
  releases: 0,
  dueIn: 1_000,
  failures: [message],
})

test('extract: the handler gets what was found, and a throw fails the attempt', async () => {
  await using lab = new Lab()
  const queue = await lab.queue<string>()
  await queue.pushBulk(['ada', 'nobody'])
  const greeted: string[] = []
  lab.run(queue, (worker) =>
    worker
      .extract({
        user: async ({ task: { args } }) => {
          if (args === 'nobody') throw new Error('there is no such user')
          return args.toUpperCase()
        },
      })
      .build((_, { data: { user } }) => void greeted.push(user)),
  )
  await lab.clock.settle()
  assert.deepEqual(greeted, ['ADA'])
  assert.deepEqual(lab.tasks(), [done, failed('there is no such user')])
})

test('acknowledge: what it is told is stored after it, and what it throws is not', async () => {
  await using lab = new Lab()
  const queue = await lab.queue<string>()
  await queue.pushBulk(['good', 'bad'])
  const told: string[] = []
  const gate = Promise.withResolvers<void>()
  lab.run(queue, (worker) =>
    worker
      .layer(
        acknowledge(async (outcome, { task: { args } }) => {
          told.push(`${String(args)} ${outcome.ok ? 'ended well' : 'threw'}`)
          await gate.promise
          throw new Error('nobody takes it down')
        }),
      )
      .build((args) => {
        if (args === 'bad') throw new Error('broken')
      }),
  )
  await lab.clock.settle()
  assert.deepEqual(told, ['good ended well', 'bad threw'])
  assert.deepEqual(lab.counts(), { running: 2 })
  gate.resolve()
  await lab.clock.settle()
  assert.deepEqual(lab.tasks(), [done, failed('broken')])
  const reported = lab.events.filter(
    (event) => event.type === 'error' && 'operation' in event && event.operation === 'acknowledge',
  )
  assert.equal(reported.length, 2)
})
