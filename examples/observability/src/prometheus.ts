// Prometheus: counters from events, gauges from the queue when somebody scrapes.
// #region example
import { type Event, MemoryStorage, WorkerBuilder } from '@apalis/core'
import { Counter, Gauge, Histogram, register } from 'prom-client'

const emails = new MemoryStorage().queue<{ to: string }>('emails', { attempts: 1 })

const labelNames = ['queue', 'outcome']
const ended = new Counter({ name: 'tasks_total', help: 'Runs of tasks', labelNames })
const seconds = new Histogram({ name: 'task_duration_seconds', help: 'Of a run', labelNames })
const due: Gauge = new Gauge({
  name: 'tasks_due',
  help: 'Tasks that wait',
  collect: async () => due.set((await emails.metrics()).due),
})

function measure(event: Event): void {
  if (event.type !== 'success' && !(event.type === 'error' && 'task' in event)) return
  const labels = { queue: event.queue, outcome: 'outcome' in event ? event.outcome : 'done' }
  ended.inc(labels)
  if (event.durationMs !== undefined) seconds.observe(labels, event.durationMs / 1_000)
}

const worker = new WorkerBuilder('mailer').backend(emails).onEvent(measure).build(send)
// #endregion

function send({ to }: { to: string }): void {
  if (to === '') throw new Error('no address')
}

await emails.pushBulk([{ to: 'ada@example.com' }, { to: '' }])
let count = 0
worker.listen((event) => {
  if (event.type === 'success' || event.type === 'error') count += 1
  if (count === 2) worker.stop()
})
await worker.run()
await emails.push({ to: 'grace@example.com' })
const scraped = await register.metrics()
for (const line of scraped.split('\n')) {
  if (/^(?:tasks_|task_duration_seconds_count)/.test(line)) console.log(line)
}

// Output:
// tasks_total{queue="emails",outcome="done"} 1
// tasks_total{queue="emails",outcome="killed"} 1
// task_duration_seconds_count{queue="emails",outcome="done"} 1
// task_duration_seconds_count{queue="emails",outcome="killed"} 1
// tasks_due 1
