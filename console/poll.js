// Asking again and again, while somebody looks.

/**
 * Calls `task` at once and then `everyMs` after each of its ends, while the page is visible and `isWanted()`. A task that returns a
 * number asks for that pause instead. Tasks handle their own errors.
 */
export function poll(task, everyMs, isWanted = () => true) {
  let timer = null;
  let isRunning = false;
  let isStopped = false;

  async function turn() {
    clearTimeout(timer);
    if (isRunning || isStopped) return;
    let pause = everyMs;
    if (!document.hidden && isWanted()) {
      isRunning = true;
      try {
        pause = (await task()) ?? everyMs;
      } finally {
        isRunning = false;
      }
    }
    if (!isStopped) timer = setTimeout(turn, pause);
  }

  document.addEventListener("visibilitychange", turn);
  turn();
  return {
    now: turn,
    stop() {
      isStopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", turn);
    },
  };
}
