import { constants } from 'node:os'

import { OptionError } from '../internal/validate.ts'

/** The name of a process signal. */
export type SignalName = `SIG${string}`

/** Signals that no process can handle. */
const UNCATCHABLE: readonly string[] = ['SIGKILL', 'SIGSTOP']

/** `signals`, each once, if every one is one that this platform knows and a process can handle. */
export function signalNames(option: string, signals: unknown): readonly SignalName[] {
  if (!Array.isArray(signals) || signals.length === 0) {
    throw new OptionError(option, signals, 'a list of signals such as SIGTERM')
  }
  for (const signal of signals) {
    if (!isSignalName(signal)) {
      throw new OptionError(option, signal, 'a signal that a process can handle, such as SIGTERM')
    }
  }
  // One that is named twice is still one signal.
  return [...new Set(signals as SignalName[])]
}

/** Calls back for each of `signals` that this process gets, instead of what Node would do. The answer ends that. */
export function onSignals(signals: readonly SignalName[], callback: () => void): () => void {
  for (const signal of signals) process.on(signal, callback)
  return () => {
    for (const signal of signals) process.off(signal, callback)
  }
}

function isSignalName(signal: unknown): signal is SignalName {
  return typeof signal === 'string' && signal in constants.signals && !UNCATCHABLE.includes(signal)
}
