/** Anything that JSON keeps as it is. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

/** Small named values that are stored and travel with a task: trace context, tenant. apalis's `Metadata`. */
export type Metadata = { readonly [key: string]: Json }
