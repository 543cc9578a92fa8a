
// ----- the load of the run that is shown, and changing it

async function renderLoad(run) {
  const { known } = run;
  const isOpen = known.state === "running" && known.can_be_cancelled && !known.is_cancelled;
  byId("load").hidden = !isOpen || !run.load;
  byId("adjusted").hidden = !isOpen || !known.adjusted;
  byId("adjusted").textContent = `The load was changed by hand: ${known.adjusted}. The run will have no grade.`;
  if (!isOpen || run.load || run.isAskingLoad) return;
  run.isAskingLoad = true;
  try {
    showLoad(run, await get(`${of(run.id)}/load`));
  } catch {
    // The load has not begun; the next look asks again.
  } finally {
    run.isAskingLoad = false;
  }
}

function showLoad(run, load) {
  run.load = load;
  if (run !== shown) return;
  const canSet = load.most !== null;
  const level = load.users ?? load.rate;
  byId("load").hidden = false;
  byId("load-label").hidden = byId("change").hidden = !canSet;
  byId("load-unit").textContent = load.rate === null ? "Users" : "Arrivals per second";
  byId("level").max = canSet ? load.most : "";
  byId("level").step = load.rate === null ? "1" : "any";
  byId("level").value = Number(level.toPrecision(6));
  byId("pause").textContent = load.paused ? "Go on" : "Pause";
  const limit = load.most === null ? "Only pauses are possible" : `No more than ${count(load.most)} are possible`;
  byId("load-note").textContent = load.why ? `${limit}, since ${load.why}.` : "A run whose load is changed has no grade.";
}

async function changeLoad(change) {
  const run = shown;
  byId("problem").replaceChildren();
  try {
    showLoad(run, await send("PATCH", `${of(run.id)}/load`, change));
    await refresh(run);
  } catch (error) {
    showProblem(error);
  }
}

byId("load").addEventListener("submit", (event) => {
  event.preventDefault();
  const level = Number(byId("level").value);
  changeLoad(shown.load.rate === null ? { users: level } : { rate: level });
});
byId("pause").addEventListener("click", () => changeLoad({ paused: !shown.load.paused }));
