// What happens in the library, heard from outside of it.
// #region example
import { subscribe } from 'node:diagnostics_channel'
import type { DiagnosticMessages } from '@apalis/core'

subscribe('apalis:push', (message) => {
  const { queue, ids } = message as DiagnosticMessages['apalis:push']
  console.log(`pushed to ${queue}: ${ids.join()}`)
})
subscribe('apalis:end', (message) => {
  const { task, outcome } = message as DiagnosticMessages['apalis:end']
  console.log(`run of ${task.parts.taskId}: ${outcome}`)
})
subscribe('apalis:settle', (message) => {
  const { tasks } = message as DiagnosticMessages['apalis:settle']
  for (const { id, outcome } of tasks) console.log(`stored: ${id} is ${outcome}`)
})
// #endregion

import { MemoryStorage, WorkerBuilder } from '@apalis/core'

const greetings = new MemoryStorage().queue<string>('greetings')
await greetings.push('Ada', { id: 'first' })
const worker = new WorkerBuilder('greeter')
  .backend(greetings)
  .build((name, { worker: context }) => {
    context.stop()
    console.log(`Hello, ${name}!`)
  })
await worker.run()

// Output:
// pushed to greetings: first
// Hello, Ada!
// run of first: done
// stored: first is done
