import { concurrency, MemoryStorage, WorkerBuilder } from '@apalis/core'
import fastq from 'fastq'
import PQueue from 'p-queue'
import type { Contender } from '../contender.ts'
import { numbered } from '../numbers.ts'

/** In memory: a no-op async handler behind every queue, tasks pushed one by one without waiting for each. */
export const memory: readonly Contender[] = [
  {
    name: 'apalis',
    package: '@apalis/core',
    async run(tasks, limit, deliveries) {
      const queue = new MemoryStorage().queue<{ readonly index: number }>('bench')
      const worker = new WorkerBuilder('bench')
        .backend(queue)
        .layer(concurrency(limit))
        .build(async ({ index }) => deliveries.run(index))
      const running = worker.run()
      const pushes: Promise<unknown>[] = []
      for (let index = 0; index < tasks; index += 1) pushes.push(queue.push({ index }))
      await Promise.all(pushes)
      await deliveries.all
      worker.stop()
      await running
    },
  },
  {
    name: 'apalis, pushed in bulk',
    package: '@apalis/core',
    async run(tasks, limit, deliveries) {
      const queue = new MemoryStorage().queue<{ readonly index: number }>('bench')
      const worker = new WorkerBuilder('bench')
        .backend(queue)
        .layer(concurrency(limit))
        .build(async ({ index }) => deliveries.run(index))
      const running = worker.run()
      await queue.pushStream(numbered(tasks))
      await deliveries.all
      worker.stop()
      await running
    },
  },
  {
    name: 'fastq (promise)',
    package: 'fastq',
    async run(tasks, limit, deliveries) {
      const queue = fastq.promise(
        async ({ index }: { readonly index: number }) => deliveries.run(index),
        limit,
      )
      const pushes: Promise<unknown>[] = []
      for (let index = 0; index < tasks; index += 1) pushes.push(queue.push({ index }))
      await Promise.all(pushes)
      await queue.drained()
    },
  },
  {
    name: 'p-queue',
    package: 'p-queue',
    async run(tasks, limit, deliveries) {
      const queue = new PQueue({ concurrency: limit })
      const pushes: Promise<unknown>[] = []
      for (let index = 0; index < tasks; index += 1) {
        pushes.push(queue.add(async () => deliveries.run(index)))
      }
      await Promise.all(pushes)
      await queue.onIdle()
    },
  },
]
