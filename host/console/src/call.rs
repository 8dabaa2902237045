//! One table of calls. A use case is a type; from the table come the routes, the check of roles, the OpenAPI document and the
//! command line.

use ansinh_store::operators::{Actor, Role, Token};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::refusal::{Code, Refusal};
use crate::service::Service;

/// How a call is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Changes nothing: GET, its parameters in the query.
    Read,
    /// Changes something: POST, its parameters as JSON.
    Change,
}

/// Most bytes of a call's parameters, unless the call says otherwise.
pub const SMALL: usize = 64 * 1024;

/// A use case with its parameters. Whatever comes from outside comes in as one of these.
pub trait Call: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// What the caller gets.
    type Answer: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
    /// Its path below `/v1/`.
    const NAME: &'static str;
    /// How it is sent.
    const KIND: Kind;
    /// Whoever has one of these roles may make it.
    const ROLES: &'static [Role];
    /// One line for the document.
    const SUMMARY: &'static str;
    /// Most bytes of its parameters.
    const LIMIT: usize = SMALL;

    /// Does it.
    ///
    /// # Errors
    /// [`Refusal`]: nothing was changed, unless its code is [`Code::PerhapsDone`].
    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal>;
}

/// Runs a call with its encoded parameters; the answer is JSON.
type Run = fn(&Service, &Actor, &[u8]) -> Result<Vec<u8>, Refusal>;

/// A call as the table holds it.
pub struct Registered {
    /// [`Call::NAME`].
    pub name: &'static str,
    /// [`Call::KIND`].
    pub kind: Kind,
    /// [`Call::ROLES`].
    pub roles: &'static [Role],
    /// [`Call::SUMMARY`].
    pub summary: &'static str,
    /// [`Call::LIMIT`].
    pub limit: usize,
    /// Schema of the parameters.
    pub parameters: fn(&mut SchemaGenerator) -> Schema,
    /// Schema of the answer.
    pub answer: fn(&mut SchemaGenerator) -> Schema,
    run: Run,
}

impl Registered {
    /// The entry of a call.
    pub fn of<C: Call>() -> Self {
        Self {
            name: C::NAME,
            kind: C::KIND,
            roles: C::ROLES,
            summary: C::SUMMARY,
            limit: C::LIMIT,
            parameters: |generator| generator.subschema_for::<C>(),
            answer: |generator| generator.subschema_for::<C::Answer>(),
            run: run_encoded::<C>,
        }
    }

    /// Lets in whoever has a valid token and one of the roles.
    ///
    /// # Errors
    /// [`Code::UnknownToken`], [`Code::NotAllowed`]; of the store.
    pub fn admit(&self, service: &Service, token: &Token) -> Result<Admitted<'_>, Refusal> {
        let actor = service.store().authenticate(token)?;
        demand_one_of(self.roles, &actor)?;
        Ok(Admitted { call: self, actor })
    }
}

/// Somebody who may make this call. There is no other way to run one that came over the network.
pub struct Admitted<'a> {
    call: &'a Registered,
    actor: Actor,
}

impl Admitted<'_> {
    /// Who calls.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Runs the call with its parameters, a query or JSON; the answer is JSON.
    ///
    /// # Errors
    /// [`Code::BadRequest`] for parameters that are none of this call, and what the call itself refuses.
    pub fn run(self, service: &Service, parameters: &[u8]) -> Result<Vec<u8>, Refusal> {
        (self.call.run)(service, &self.actor, parameters)
    }
}

fn run_encoded<C: Call>(service: &Service, actor: &Actor, parameters: &[u8]) -> Result<Vec<u8>, Refusal> {
    // Where and what, never the value: it may be a PIN.
    let call: C = match C::KIND {
        Kind::Read => serde_urlencoded::from_bytes(parameters)
            .map_err(|_| Refusal::new(Code::BadRequest, "the query is not what this call takes"))?,
        Kind::Change => from_json(parameters)?,
    };
    let answer = call.run(service, actor)?;
    serde_json::to_vec(&answer)
        .map_err(|_| Refusal::new(Code::Internal, "the answer cannot be written as JSON"))
}

fn from_json<C: Call>(parameters: &[u8]) -> Result<C, Refusal> {
    // serde would take an array of the fields' values, too.
    if parameters.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::new(
            Code::BadRequest,
            "the parameters are no JSON object",
        ));
    }
    serde_json::from_slice(parameters).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Refusal::new(
            Code::BadRequest,
            format!("the JSON is not what this call takes, at {place}"),
        )
    })
}

/// Runs a call in this process, after the same checks.
///
/// # Errors
/// As over the network.
pub fn run_here<C: Call>(service: &Service, token: &Token, call: C) -> Result<C::Answer, Refusal> {
    call.run(service, &admit_here::<C>(service, token)?)
}

/// Whoever has this token, if they may make the call: for one that shows how it goes on.
///
/// # Errors
/// As over the network.
pub fn admit_here<C: Call>(service: &Service, token: &Token) -> Result<Actor, Refusal> {
    let actor = service.store().authenticate(token)?;
    demand_one_of(C::ROLES, &actor)?;
    Ok(actor)
}

fn demand_one_of(roles: &[Role], actor: &Actor) -> Result<(), Refusal> {
    if roles.iter().any(|role| actor.roles().has(*role)) {
        return Ok(());
    }
    let needed = roles.iter().map(|role| role.name()).collect::<Vec<_>>();
    Err(Refusal::new(
        Code::NotAllowed,
        format!(
            "operator {} has not the role {}, which this needs; nothing was changed. Ask an administrator",
            actor.name(),
            needed.join(" or ")
        ),
    ))
}
