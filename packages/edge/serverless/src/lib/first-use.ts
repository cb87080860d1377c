/** What is loaded when it is first needed: one load at a time, and again after one that failed. */
export function firstUse<Value>(load: () => Value | Promise<Value>): () => Promise<Value> {
  let loaded: Promise<Value> | undefined
  return () => {
    if (loaded !== undefined) return loaded
    const loading = Promise.resolve().then(load)
    loaded = loading
    loading.catch(() => {
      if (loaded === loading) loaded = undefined
    })
    return loading
  }
}
