//! The query of a request to Engine.IO.

/// What the server reads of it. None of the values needs percent-encoding; one that has it is not among those that exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query<'a> {
    /// `EIO`: the version of the protocol.
    pub(crate) version: Option<&'a str>,
    pub(crate) transport: Option<&'a str>,
    /// The id of the session, unless the request opens one.
    pub(crate) sid: Option<&'a str>,
}

impl<'a> Query<'a> {
    /// The first value of a name counts.
    pub(crate) fn parse(query: &'a str) -> Self {
        let mut parsed = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let slot = match name {
                "EIO" => &mut parsed.version,
                "transport" => &mut parsed.transport,
                "sid" => &mut parsed.sid,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read() {
        let query = Query::parse("EIO=4&transport=polling&t=x&sid=a-b_c&sid=other");
        assert_eq!(query.version, Some("4"));
        assert_eq!(query.transport, Some("polling"));
        assert_eq!(query.sid, Some("a-b_c"));
        assert_eq!(Query::parse(""), Query::default());
        assert_eq!(Query::parse("EIO&&=&transport"), Query::default());
        assert_eq!(Query::parse("sid=").sid, Some(""));
    }
}
